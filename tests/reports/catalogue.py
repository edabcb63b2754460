"""Every kind of report, with the forms of it that are tried: the rows of docs/reports.md."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from brevitas.quant import (
    Int8Bias,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int32Bias,
)

from specs.input import InputSpec
from tests.reports import files, modules
from tests.reports.files import Net
from tests.reports.kinds import FEATURES, PIXELS, Form, Kind, of_module


def sign(g: Net, x: str) -> str:
    return g.bipolar(x)


def relu(bits: int, scale: float = 0.5) -> Callable[[Net, str], str]:
    return lambda g, x: g.relu(x, bits, scale)


def signed(bits: int, scale: float = 0.5, narrow: int = 0) -> Callable[[Net, str], str]:
    return lambda g, x: g.quant(x, bits, scale, narrow=narrow)


def of_features(name: str, source: Callable[..., object], **more: object) -> Form:
    return Form(name, source, **{"input": FEATURES, **more})  # type: ignore[arg-type]


NARROW = InputSpec(shape=(6, 5, 1), dtype="INT8", scale=1.0)
BY_CHANNEL = np.array([1, 2, 0.5, 1], np.float32)
CENTRED = InputSpec(shape=(6, 6, 1), mean=0.5, std=0.25)
STATISTICS = InputSpec(shape=(12,), dtype="INT8", scale=0.0078125)


KINDS = (
    Kind(
        "a batch norm with negative factors on weights that hold their least value",
        "Xilinx/finn-hlslib#9",
        "no hardware layer for: ElementwiseMul_0",
        (
            Form("2 bits, ReLU", files.negative_on_whole_range(2)),
            Form("4 bits, label", files.negative_on_whole_range(4), output="label"),
            of_features("8 bits, dense, by output, sign", files.negative_dense(8, sign)),
            of_features("2 bits, dense, by output, 3 bits", files.negative_dense(2, signed(3))),
            of_module("a module", modules.whole_range()),
        ),
    ),
    Kind(
        "a batch norm with negative factors that no product stands before",
        "Xilinx/finn#285",
        "no hardware layer for: ElementwiseMul_0",
        (
            Form("max-pool, sign", files.negative_behind_pool(sign)),
            Form("max-pool, ReLU of 4 bits", files.negative_behind_pool(relu(4, 0.25))),
            Form("max-pool, narrow 3 bits", files.negative_behind_pool(signed(3, 0.5, 1))),
            Form("residual sum, sign", files.negative_behind_sum(sign)),
            Form("residual sum, ReLU", files.negative_behind_sum(relu(2))),
            Form("quantiser of 4 bits", files.negative_behind_quantiser(4)),
            Form("the input, sign", files.negative_on_input(sign)),
            Form("the input, 4 bits", files.negative_on_input(signed(4))),
            Form("average pool", files.negative_behind_average()),
            of_module("a module: max-pool, ReLU", modules.convolution(modules.pooled_first, 16)),
            of_module("a module: max-pool, sign", modules.convolution(modules.signed_last, 16)),
        ),
    ),
    Kind(
        "a convolution or dense layer with a quantised bias",
        "fastmachinelearning/qonnx#174; Xilinx/finn#310",
        "FINN's “cannot reshape array of size 1 into shape (1,3,1,1)”",
        (
            Form("8 bits, one scale", files.quantised_bias(8, 0.5)),
            Form(
                "32 bits, by channel",
                files.quantised_bias(32, np.array([1, 2, 0.5, 1], np.float32)),
            ),
            Form("in an Add", files.quantised_bias(6, 1.0, (1, 4, 1, 1))),
            of_module(
                "a module: 8 bits, scale of its own",
                modules.with_bias(Int8BiasPerTensorFloatInternalScaling),
            ),
            of_module("a module: 8 bits", modules.with_bias(Int8Bias)),
            of_module(
                "a module: 32 bits, by channel",
                modules.with_bias(Int32Bias, weight_quant=Int8WeightPerChannelFloat),
            ),
            of_module("a module: dense, 32 bits", modules.dense_with_bias(Int32Bias)),
        ),
    ),
    Kind(
        "scales from statistics: sums fall on the border of two levels",
        "Xilinx/finn#1635",
        "VerificationError, 17 of 1000 inputs",
        (
            of_features("8 units a level", files.statistics(8), input=STATISTICS, ties=True),
            of_features("22 units a level", files.statistics(22), input=STATISTICS, ties=True),
            of_module("a module", modules.statistics(), ties=True),
        ),
    ),
    Kind(
        "signed quantisers inside the layers, behind a ReLU",
        "Xilinx/finn#1653",
        "a file builds; a module is refused after training and export",
        (
            of_module("a module: ReLU", modules.own_input_quantisers(True), ties=True),
            of_module("a module: quantised ReLU", modules.own_input_quantisers(False), ties=True),
        ),
    ),
    Kind(
        "a module with LeakyReLU, or with a batch norm as its last layer",
        "Xilinx/brevitas#372",
        "refused only after training and export",
        (
            of_module("LeakyReLU", modules.leaky, refused=("LeakyRelu",)),
            of_module(
                "batch norm last, label",
                modules.norm_last,
                output="label",
                refused=("scores", "logits"),
            ),
        ),
    ),
    Kind(
        "two ways with different scales meet at a sum",
        "Xilinx/brevitas#1101",
        "no hardware layer for: ElementwiseMul_0, ElementwiseMul_1",
        (
            Form("20 and 7", files.residual(20, 7), refused=("Add", "20", "7")),
            Form("equal", files.residual(20, 20)),
            Form("20 and 10", files.residual(20, 10)),
            Form("7 and 21", files.residual(7, 21)),
            Form("minus, equal", files.subtracted(1)),
            Form("minus, 1 to 4", files.subtracted(4)),
            Form("x + x - (0.3 x + 9)", files.doubled("Sub")),
            Form("two products, 1 and 1/4", files.unquantised_sum()),
            of_module("a module: one shared quantiser", modules.residual(True)),
            of_module("a module: two quantisers", modules.residual(False), refused=("Add",)),
        ),
    ),
    Kind(
        "average pools with Trunc",
        "Xilinx/finn#1083; eki-project/finn-plus#92",
        "FINN's words without a node; “no Trunc behind it”",
        (
            Form("AveragePool, Mul, Trunc: FLOOR", files.average_trunc("FLOOR")),
            Form("FLOOR in small letters", files.average_trunc("floor")),
            Form("ROUND", files.average_trunc("ROUND")),
            Form("a map of 4x3", files.average_trunc("FLOOR", width=5), input=NARROW),
            Form("windows of 2x2", files.average_trunc("FLOOR", kernel=2)),
            Form("GlobalAveragePool", files.average_trunc("FLOOR", whole=True)),
            Form("windows of 2x2, falling levels", files.negative_behind_windows()),
            of_module("a module: as Brevitas makes it", modules.averaged()),
            of_module("a module: floor", modules.averaged(float_to_int_impl_type="floor")),
        ),
    ),
    Kind(
        "layers exported in training mode",
        "Xilinx/finn#304",
        "“please report this with the file”",
        (
            Form("batch norm", files.training_norm(), refused=("BatchNormalization", "eval()")),
            Form("dropout", files.training_dropout(True), refused=("Dropout", "eval()")),
            Form("dropout at rest", files.training_dropout(False)),
            of_module("a module: dropout", modules.with_dropout()),
        ),
    ),
    Kind(
        "rounding_mode HALF_EVEN, which is ROUND by another name",
        "fastmachinelearning/qonnx#110",
        "refused",
        (
            of_features("HALF_EVEN", files.rounding("HALF_EVEN")),
            of_features("half_even", files.rounding("half_even")),
            of_features("round", files.rounding("round")),
            of_features("FLOOR", files.rounding("FLOOR"), refused=("FLOOR", "ROUND")),
        ),
    ),
    Kind(
        "signs as Quant of one bit; BipolarQuant with a scale",
        "fastmachinelearning/qonnx#141; Xilinx/finn#95",
        "VerificationError, 1000 of 1000 inputs",
        (
            Form("Quant of 1 bit", files.one_bit(signed(1, 1.0))),
            Form("Quant of 1 bit, scale 0.3", files.one_bit(signed(1, 0.3))),
            Form("Quant of 1 bit, weights, too", files.one_bit(signed(1, 2.0), weights=True)),
            of_features("BipolarQuant, scale 0.3", files.bipolar_scales(0.3, 1.0)),
            of_features("BipolarQuant, weights, too", files.bipolar_scales(0.3, 0.7)),
            of_features(
                "BipolarQuant, weights by output",
                files.bipolar_scales(1.0, np.array([[0.5, 2, 0.25, 0.37]], np.float32)),
                output="logits",
            ),
            of_module("a module: factors of 0.1", modules.binary(0.1)),
        ),
    ),
    Kind(
        "a batch norm with factors of zero",
        "–",
        "“thresholds are not all INT12”",
        (
            Form("sign", files.zero_gammas(sign)),
            Form("ReLU", files.zero_gammas(relu(2))),
            Form("max-pool, sign", files.zero_gammas(sign, pool=True)),
            Form("max-pool, 3 bits", files.zero_gammas(signed(3), pool=True)),
        ),
    ),
    Kind(
        "Pad with axes; padding on two sides",
        "onnx/onnx#5003; Xilinx/finn-hlslib#114",
        "no hardware layer; “the ONNX model is not consistent”",
        (
            Form("axes 2 and 3", files.pad_axes([1, 2, 1, 0], [2, 3])),
            Form("axes -1 and 2", files.pad_axes([0, 1, 2, 1], [-1, 2])),
            Form("axis 3", files.pad_axes([1, 1], [3], 21)),
            Form("SAME_UPPER of 2x2", files.pads(2, auto_pad="SAME_UPPER")),
            Form("SAME_LOWER of 4x4", files.pads(4, auto_pad="SAME_LOWER")),
            Form("two sides", files.pads(2, pads=[0, 1, 1, 0])),
            of_module("a module: ZeroPad2d", modules.lopsided()),
        ),
    ),
    Kind(
        "weights whose scale stands behind their quantiser",
        "–",
        "“multiplies two streams; one side must be quantised weights”",
        (
            of_features("Mul", files.scale_outside("Mul", 0.37)),
            of_features("Div, by output", files.scale_outside("Div", [[1, 2, 0.7, 3]])),
            of_features(
                "Add", files.scale_outside("Add", 1), refused=("MatMul", "behind their quantiser")
            ),
        ),
    ),
    Kind(
        "Gemm with alpha and beta",
        "–",
        "ONNX Runtime's type error",
        (
            of_features("1/2 and 2", files.gemm(0.5, 2.0)),
            of_features("-1 and 1, transB", files.gemm(-1.0, 1.0, transB=1)),
            of_features("3 and 0, transB", files.gemm(3.0, 0.0, transB=1)),
        ),
    ),
    Kind(
        "max-pool with dilations or ceil_mode",
        "Xilinx/finn-base#56",
        "VerificationError, 60 of 60 inputs",
        (
            Form("dilations 2", files.pool_with(dilations=[2, 2]), refused=("MaxPool", "dilation")),
            Form("dilations 1", files.pool_with(dilations=[1, 1])),
            Form("ceil_mode, whole windows", files.ceiled(4)),
            Form("ceil_mode, part of a window", files.ceiled(5), refused=("MaxPool", "ceil_mode")),
        ),
    ),
    Kind(
        "a padded convolution on an input with a mean",
        "–",
        "“streamlining left operators: Im2Col_0, MatMul_0”",
        (
            Form("mean 1/2", files.padded_input(), input=CENTRED, refused=("Conv", "mean")),
            Form("no mean", files.padded_input(), input=PIXELS),
        ),
    ),
    Kind(
        "quantisers with a zero point",
        "Xilinx/finn#1675",
        "FINN's ValueError without a node",
        (
            of_features("of weights", files.zero_point(7, 0)),
            of_features("of activations", files.zero_point(0, 3, 1), refused=("zero point",)),
        ),
    ),
    Kind(
        "a constant less the stream, 1 - x",
        "–",
        "“subtracts a stream”",
        (
            of_features("1 - x", files.from_one()),
            of_features("1 / x", files.divided(), refused=("Div",)),
        ),
    ),
)


def forms() -> dict[str, tuple[Kind, Form]]:
    """Every form, by a name that no other has."""
    return {
        f"{number:02}-{form.name}": (kind, form)
        for number, kind in enumerate(KINDS)
        for form in kind.forms
    }
