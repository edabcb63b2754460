"""How many images a data set has, and how it is made of the user's own files."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from specs.base import Spec

RANDOM = "random"
"""The data set of no data: inputs drawn from the input's datatype, without labels."""
IMAGE_FOLDER, MASKED_FACE, OWN_ARRAYS = "imagefolder", "maskedface", "arrays"
USERS_OWN = (IMAGE_FOLDER, MASKED_FACE, OWN_ARRAYS)
"""The data sets that are whatever `data_root` holds."""


class DataSpec(Spec):
    """How many images a data set has, and how those of the user's own files are made."""

    broken: Literal["refuse", "skip"] = "refuse"
    """Files that cannot be read: refuse tells all of them and ends; skip lists them in skipped.csv
    and goes on without them."""
    images_per_class: int | None = Field(default=None, ge=2)
    """Drawn of each class; None: as many as the smallest class has."""
    train_images: int | None = Field(default=None, ge=4)
    """The first of them; None: all. Of maskedface all classes together, so many that most are
    changed copies of others; None: 80,000."""
    test_images: int | None = Field(default=None, ge=4)
    """The same; None, of maskedface: 20,000."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    """Of the draw, the split and the changes."""

    def changed(self) -> dict[str, Any]:
        """The fields that are not their default."""
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
"""What each data set reads of DataSpec; random inputs nothing."""
