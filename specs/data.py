"""The spec of the data: how many images to use, and how to read the user's own files."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from specs.base import Spec

RANDOM = "random"
"""The data set of random inputs: drawn from the input's datatype, without labels."""
IMAGE_FOLDER, MASKED_FACE, OWN_ARRAYS = "imagefolder", "maskedface", "arrays"
USERS_OWN = (IMAGE_FOLDER, MASKED_FACE, OWN_ARRAYS)
"""The data sets that consist of the user's own files in `data_root`."""


class Resize(Spec):
    """The size that images of the user's are resized to while they are read.

    It follows from the network's input, not from a field of its own.
    """

    height: int
    width: int
    method: Literal["bilinear", "nearest"]


class DataSpec(Spec):
    """How many images of the data set to use, and how to read the user's own files."""

    broken: Literal["refuse", "skip"] = "refuse"
    """What to do with files that cannot be read. "refuse" lists all of them in one error; "skip"
    lists them in skipped.csv and continues without them."""
    images_per_class: int | None = Field(default=None, ge=2)
    """Number of files drawn from each class (maskedface). Without it: as many as the smallest class
    has."""
    train_images: int | None = Field(default=None, ge=4)
    """Use only the first so many training images, which must have all classes among them. Without
    it all are used. For maskedface it is the number of images to make, of all classes together;
    most are changed copies of others. Its default is 80,000."""
    test_images: int | None = Field(default=None, ge=4)
    """The same for the test images. The default for maskedface is 20,000."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    """Seed of the draw, of the split and of the changed copies (maskedface)."""

    def changed(self) -> dict[str, Any]:
        """The fields whose value is not the default, with their values."""
        return {
            name: value
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) != field.default
        }


_COUNTS = {"train_images", "test_images"}
DATA_FIELDS = {
    **dict.fromkeys(("arrays", "cifar10", "digits", "mnist"), _COUNTS),
    "imagefolder": {"broken", *_COUNTS},
    "maskedface": set(DataSpec.model_fields),
}
"""The fields of DataSpec that each data set uses. Random inputs use none."""
