"""A network: its data set, input contract, model and training recipe."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from specs.base import Spec
from specs.data import DATA_FIELDS, DataSpec
from specs.training import TrainingSpec

MOST_INPUTS = 1 << 20
RANDOM = "random"
"""The data set of no data: inputs drawn from the input's datatype, without labels."""
Shape = Annotated[tuple[int, ...], Field(min_length=1, max_length=3)]
"""Height, width, channels of an image; or the length of a feature vector."""
INT, FP32 = "int", "fp32"
_INTEGER_BITS = ("weight_bits", "activation_bits", "first_weight_bits", "classifier_weight_bits")
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


def _fraction(value: object) -> object:
    """A quotient of two numbers in a string as its value; anything else as it is."""
    if not isinstance(value, str) or value.count("/") != 1:
        return value
    try:
        above, below = map(float, value.split("/"))
        return above / below
    except (ValueError, ZeroDivisionError):
        return value  # pydantic tells that it is no number


class InputSpec(Spec):
    """What the network is fed: one contract for training, golden vectors, driver and board.

    A raw image is resized to `shape`, stays an unsigned integer on its way into the accelerator,
    and means (value * scale - mean) / std to the network.
    """

    shape: Shape = (28, 28, 1)
    """Height, width, channels of one image; or the length of a feature vector."""
    layout: Literal["NHWC"] = "NHWC"
    """Of raw images and of the accelerator's stream."""
    dtype: str = Field(default="UINT8", pattern=r"^U?INT[1-8]$")
    resize: Literal["bilinear", "nearest", "none"] = "bilinear"
    """How an image of another size is brought to `shape`; "none" refuses it."""
    scale: Annotated[float, BeforeValidator(_fraction)] = Field(default=1 / 255, gt=0)
    """May be written as a fraction: "1/255"."""
    mean: float = 0.0
    std: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if len(self.shape) == 2:
            raise ValueError("shape: height, width and channels of an image, or one length")
        if min(self.shape) < 1:
            raise ValueError("shape: height, width and channels must be at least 1")
        if prod(self.shape) > MOST_INPUTS:
            raise ValueError(f"shape: more than {MOST_INPUTS:,} values in an image")
        return self


class _Model(Spec):
    """What all families of networks share."""

    def no_hardware(self) -> str | None:
        """Why no accelerator can be built of the network, and what works; None: one can."""
        return None


class FcModel(_Model):
    """Fully connected layers as in BNN-PYNQ: input quantiser, hidden layers, classifier."""

    family: Literal["fc"] = "fc"
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)]
    classes: int = Field(default=10, ge=2, le=1024)
    weight_bits: int = Field(ge=1, le=8)
    activation_bits: int = Field(ge=1, le=8)
    input_bits: int = Field(ge=1, le=8)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class ConvLayer(Spec):
    """One convolution with its batch norm, activation and pooling; bits: None is the model's."""

    channels: int = Field(ge=1, le=4096)
    kernel: int = Field(default=3, ge=1, le=15)
    stride: int = Field(default=1, ge=1, le=15)
    padding: int = Field(default=0, ge=0, le=7)
    """Rows and columns of zeros on every side."""
    pool: int = Field(default=1, ge=1, le=15)
    """Size and stride of the max-pool behind the activation; 1: none."""
    weight_bits: int | None = Field(default=None, ge=1, le=8)
    activation_bits: int | None = Field(default=None, ge=1, le=8)


class DenseLayer(Spec):
    """One fully connected layer with its batch norm and activation; bits: None is the model's."""

    width: int = Field(ge=1, le=8192)
    weight_bits: int | None = Field(default=None, ge=1, le=8)
    activation_bits: int | None = Field(default=None, ge=1, le=8)


class CnvModel(_Model):
    """Convolutions, then fully connected layers, as in BNN-PYNQ's CNV."""

    family: Literal["cnv"]
    convolutions: Annotated[tuple[ConvLayer, ...], Field(min_length=1)]
    dense: tuple[DenseLayer, ...] = ()
    classes: int = Field(default=10, ge=2, le=1024)
    weight_bits: int = Field(ge=1, le=8)
    activation_bits: int = Field(ge=1, le=8)
    input_bits: int = Field(default=8, ge=2, le=8)
    """Of the input, a signed number of one bit before the point: Q1.7 for 8."""
    first_weight_bits: int | None = Field(default=None, ge=1, le=8)
    """Of the first convolution, unless that has `weight_bits` of its own."""
    classifier_weight_bits: int | None = Field(default=None, ge=1, le=8)

    def all_weight_bits(self) -> list[int]:
        """Weight bits of every layer: the convolutions, the dense layers, the classifier."""
        inner: list[ConvLayer | DenseLayer] = [*self.convolutions, *self.dense]
        bits = [layer.weight_bits or self.weight_bits for layer in inner]
        bits[0] = self.convolutions[0].weight_bits or self.first_weight_bits or self.weight_bits
        return [*bits, self.classifier_weight_bits or self.weight_bits]

    @model_validator(mode="after")
    def _pads_with_zero(self) -> Self:
        bits = self.input_bits
        for number, conv in enumerate(self.convolutions):
            if conv.padding and bits == 1:
                raise ValueError(
                    f"convolutions.{number}.padding = {conv.padding}: its input has 1 bit, -1 or "
                    "+1, and no zero to pad with; use padding = 0 or activation_bits >= 2 before it"
                )
            bits = conv.activation_bits or self.activation_bits
        return self

    def feature_map(self, shape: Shape) -> tuple[int, int, int]:
        """Height, width and channels behind the convolutions, for images of `shape`.

        ValueError: a kernel or a pool is larger than what arrives at it.
        """
        height, width, channels = shape
        for number, conv in enumerate(self.convolutions):
            sizes = []
            for size in (height, width):
                padded = size + 2 * conv.padding
                out = (padded - conv.kernel) // conv.stride + 1
                if padded < conv.kernel or out < conv.pool:
                    raise ValueError(
                        f"convolutions.{number}: kernel {conv.kernel}, stride {conv.stride}, "
                        f"padding {conv.padding}, pool {conv.pool} do not fit a feature map of "
                        f"{height}x{width}"
                    )
                sizes.append(out // conv.pool)
            height, width, channels = *sizes, conv.channels
        return height, width, channels


class ResNetModel(_Model):
    """Residual network as in Brevitas' examples: a convolution, stages of blocks, a classifier.

    Stage i has `blocks[i]` blocks of width * 2**i channels; all but the first begin with stride 2.
    The input is an integer image as it is, without a quantiser of its own.

    number_format: int, of which the bits tell the width; eXmY, a minifloat of a sign, X exponent
    and Y mantissa bits for the weights of all convolutions and the classifier and for all
    activations (e4m3 and e5m2 as the OCP defines FP8, others without codes for infinity or NaN;
    X to 6 and Y to 10, within which the gradients of their scales are fp32 numbers);
    or fp32, no quantiser at all. Networks of the last two train and export, see `no_hardware`.
    """

    family: Literal["resnet"]
    width: int = Field(default=64, ge=1, le=1024)
    blocks: Annotated[
        tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=6)
    ] = (2, 2, 2, 2)
    classes: int = Field(default=10, ge=2, le=1024)
    number_format: str = Field(default=INT, pattern=rf"^({INT}|{FP32}|e[1-6]m([1-9]|10))$")
    weight_bits: int | None = Field(default=None, ge=2, le=8)
    """Of integers alone, as all that follow; these two have no default then."""
    activation_bits: int | None = Field(default=None, ge=2, le=8)
    first_weight_bits: int = Field(default=8, ge=2, le=8)
    classifier_weight_bits: int = Field(default=8, ge=2, le=8)

    @model_validator(mode="after")
    def _bits_are_of_integers(self) -> Self:
        for name in _INTEGER_BITS:
            value, default = getattr(self, name), type(self).model_fields[name].default
            if self.number_format == INT and value is None:
                raise ValueError(f"{name}: missing; it has no default")
            if self.number_format != INT and value != default:
                raise ValueError(
                    f"{name} = {value}: of integers alone; leave it out with number_format = "
                    f'"{self.number_format}", or use number_format = "{INT}"'
                )
        return self

    def minifloat(self) -> tuple[int, int] | None:
        """Exponent and mantissa bits; None: the numbers are integers or fp32."""
        if self.number_format in (INT, FP32):
            return None
        exponent, mantissa = self.number_format.removeprefix("e").split("m")
        return int(exponent), int(mantissa)

    def no_hardware(self) -> str | None:
        if self.number_format == INT:
            return None
        return (
            f"model.number_format = {self.number_format!r}: no accelerator can be built, its "
            "datapath would be one of floating-point numbers and all layers here compute with "
            "integers; train and export work (./doit train, ./doit export), and hardware has "
            f'number_format = "{INT}" with weight_bits and activation_bits, '
            "as network=resnet18_4w4a"
        )

    def feature_map(self, shape: Shape) -> tuple[int, int, int]:
        """Height, width and channels in front of the average pool, for images of `shape`."""
        halvings = len(self.blocks) - 1
        height, width = (-(-size // (1 << halvings)) for size in shape[:2])
        return height, width, self.width << halvings


class FactoryModel(_Model):
    """A torch module of the user's own, trained here: what a function in a Python file returns.

    The module takes float32 [N, C, H, W] (or [N, F]), what the inputs mean, and gives scores
    [N, classes]. Quantised layers are Brevitas'. A method `after_step()` of it, if there is one, is
    called behind each step of training, e.g. to clip weights.
    """

    family: Literal["factory"]
    file: str
    """A Python file, relative to this one; in a job, its sha256."""
    function: str = "build"
    """Takes `arguments` by name and returns the module, its weights from torch's generator."""
    arguments: dict[str, int | float | str | bool] = Field(default_factory=dict)
    classes: int = Field(default=10, ge=2, le=1024)


Layout = Literal["NCHW", "NHWC"]


class QonnxModel(_Model):
    """A network trained elsewhere, as QONNX: it enters behind export."""

    family: Literal["qonnx"]
    file: str
    """A QONNX file, relative to this one; in a job, its sha256."""
    layout: Layout | None = None
    """Of the file's input; None: as its operators say."""


AnyModel = FcModel | CnvModel | ResNetModel | FactoryModel | QonnxModel
Model = Annotated[AnyModel, Field(discriminator="family")]
Output = Literal["label", "logits"]


class NetworkSpec(Spec):
    """One network, as in specs/networks/*.toml or a user's own file."""

    name: Identifier
    description: str = ""
    dataset: Literal["arrays", "cifar10", "digits", "imagefolder", "maskedface", "mnist", "random"]
    data: DataSpec = DataSpec()
    input: InputSpec = InputSpec()
    model: Model
    output: Output = "label"
    """Of the accelerator: the class, or the accumulators behind the scores of all classes."""
    training: TrainingSpec | None = None
    """Of a QONNX model none: it is taken as it is."""

    @model_validator(mode="after")
    def _trained_or_not(self) -> Self:
        if isinstance(self.model, QonnxModel):
            if self.training is not None:
                raise ValueError("training: a QONNX model is taken as it is, not trained")
            return self
        if self.training is None:
            raise ValueError("training: missing; it has no default")
        if self.dataset == RANDOM:
            raise ValueError("dataset: random inputs have no labels to train with")
        augmented = self.training.crop_padding or self.training.flip
        if len(self.input.shape) == 1 and augmented:
            raise ValueError("training.crop_padding, flip: a feature vector has no place to move")
        return self

    @model_validator(mode="after")
    def _data_suit_the_data_set(self) -> Self:
        for name, value in self.data.changed().items():
            if name not in DATA_FIELDS.get(self.dataset, ()):
                having = [key for key, fields in DATA_FIELDS.items() if name in fields]
                raise ValueError(
                    f"data.{name} = {value!r}: dataset = {self.dataset!r} has no such field; "
                    f"it is of {' and '.join(having)}"
                )
        return self

    @model_validator(mode="after")
    def _images_suit_the_model(self) -> Self:
        convolves = isinstance(self.model, CnvModel | ResNetModel)
        if convolves and len(self.input.shape) == 1:
            raise ValueError("input.shape: convolutions take height, width and channels")
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
