"""The spec of a network: its data set, input, model and training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from specs.base import Identifier, Spec
from specs.data import DATA_FIELDS, RANDOM, DataSpec
from specs.input import InputSpec
from specs.models import CnvModel, Model, QonnxModel, ResNetModel
from specs.pruning import PruningSpec
from specs.training import TrainingSpec

Output = Literal["label", "logits"]


class NetworkSpec(Spec):
    """One network, as in specs/networks/*.toml or a user's own file."""

    name: Identifier
    """The network's name."""
    description: str = ""
    """A few words for the reader; nothing depends on them."""
    dataset: Literal["arrays", "cifar10", "digits", "imagefolder", "maskedface", "mnist", "random"]
    """The data set. imagefolder, maskedface and arrays are your own files in `data_root`; random
    means random inputs without labels, for a network that is not trained here."""
    data: DataSpec = DataSpec()
    """How many images to use, and how to read your own files."""
    input: InputSpec = InputSpec()
    """Size and datatype of the input, and what its integers mean."""
    model: Model
    """The layers. The field `family` says which kind of network it is."""
    output: Output = "label"
    """What the accelerator gives: "label" is the class, "logits" are the accumulators of the last
    layer, from which software computes the scores of all classes."""
    training: TrainingSpec | None = None
    """How the network is trained. Required, except for a QONNX model: that is never trained, and
    must leave it out."""
    pruning: PruningSpec | None = None
    """What is taken out of the trained network before it is exported. Without this table the whole
    network is."""

    @model_validator(mode="after")
    def _trained_or_not(self) -> Self:
        if isinstance(self.model, QonnxModel):
            if self.training is not None:
                raise ValueError("training: a QONNX model is not trained; leave this table out")
            if self.pruning is not None:
                raise ValueError(
                    "pruning: a QONNX model is taken as it is, and is not pruned; leave this table "
                    "out"
                )
            return self
        if self.training is None:
            raise ValueError("training: missing; it has no default")
        if self.dataset == RANDOM:
            raise ValueError("dataset: random inputs have no labels to train with")
        augmented = self.training.crop_padding or self.training.flip
        if len(self.input.shape) == 1 and augmented:
            raise ValueError(
                "training.crop_padding, flip: only images can be cropped and flipped, and the "
                "inputs are feature vectors; leave both out"
            )
        return self

    @model_validator(mode="after")
    def _quantised_weights_are_pruned(self) -> Self:
        if self.pruning is not None and self.model.no_hardware() is not None:
            raise ValueError(
                "pruning: the network's weights are floating-point numbers, and only integers are "
                "pruned, for their hardware; leave this table out"
            )
        return self

    @model_validator(mode="after")
    def _data_suit_the_data_set(self) -> Self:
        for name, value in self.data.changed().items():
            if name not in DATA_FIELDS.get(self.dataset, ()):
                having = [key for key, fields in DATA_FIELDS.items() if name in fields]
                raise ValueError(
                    f"data.{name} = {value!r}: dataset = {self.dataset!r} does not use this field; "
                    f"it belongs to {' and '.join(having)}"
                )
        return self

    @model_validator(mode="after")
    def _images_suit_the_model(self) -> Self:
        convolves = isinstance(self.model, CnvModel | ResNetModel)
        if convolves and len(self.input.shape) == 1:
            raise ValueError("input.shape: convolutions need height, width and channels")
        if isinstance(self.model, CnvModel):
            self.model.feature_map(self.input.shape)
        if isinstance(self.model, ResNetModel):
            height, width, _ = self.model.feature_map(self.input.shape)
            if height != width:
                raise ValueError(
                    f"input.shape: the average pool takes a square, not {height}x{width}"
                )
            if self.input.mean:
                raise ValueError(
                    "input.mean: a resnet pads its images with zeros, which must be black: use 0"
                )
        return self
