"""Our closed forms against single nodes of FINN, over the corners that networks seldom reach."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import helper
from qonnx.custom_op.registry import getCustomOp

from pipeline.engines.vivado.finn import builder
from pipeline.engines.vivado.finn.estimate import (
    Cost,
    Matrix,
    Window,
    converter_luts,
    thresholding,
)
from pipeline.hardware.datatypes import DataType

PART = "xc7z020clg400-1"
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
types = st.sampled_from(["UINT1", "UINT2", "UINT4", "UINT8", "INT2", "INT3", "INT4", "INT8"])


@pytest.fixture(autouse=True)
def finn_there(finn_work: Path) -> None:
    builder.bootstrap(finn_work)


def node(kind: str, style: str, **attributes: Any) -> Any:
    domain = f"finn.custom_op.fpgadataflow.{style}"
    made = helper.make_node(f"{kind}_{style}", ["x", "w"], ["y"], "n", domain=domain, **attributes)
    return getCustomOp(made)


def said(inst: Any) -> Cost:
    used = inst.node_res_estimation(PART)
    counts = (int(used[name]) for name in ("LUT", "BRAM_18K", "URAM"))
    return Cost(int(inst.get_exp_cycles()), *counts)


def spelled(dtype: str) -> str:
    return "BINARY" if dtype == "UINT1" else dtype


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, int, bool]:
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40)), draw(st.sampled_from([1, 3, 8, 64]))
    kernel = draw(st.integers(1, min(5, shape[0]))), draw(st.integers(1, min(5, shape[1])))
    stride = draw(st.integers(1, min(4, shape[0]))), draw(st.integers(1, min(4, shape[1])))
    whole = draw(st.booleans())
    made = Window(shape, kernel, stride, DataType(draw(types)).bits, draw(st.booleans()))
    legal = [n for n in range(1, shape[2] + 1) if shape[2] % n == 0]
    return made, shape[2] if whole else draw(st.sampled_from(legal)), whole


@many
@given(windows(), st.booleans())
@example(
    (Window((4, 36, 1), (2, 2), (1, 1), 8), 1, True), False
)  # 39 words: one more than a LUT has
def test_sliding_windows(drawn: tuple[Window, int, bool], block: bool) -> None:
    window, simd, whole = drawn
    high, wide, channels = window.shape
    inst = node(
        "ConvolutionInputGenerator",
        "rtl",
        ConvKernelDim=window.kernel,
        IFMChannels=channels,
        IFMDim=[high, wide],
        OFMDim=window.out,
        SIMD=simd,
        Stride=window.stride,
        Dilation=[1, 1],
        inputDataType=f"UINT{window.bits}" if window.bits > 1 else "BINARY",
        outputDataType="UINT8",
        depthwise=int(window.depthwise),
        parallel_window=int(whole),
        ram_style="block" if block else "distributed",
    )
    assert window.cost(simd, whole=whole, block=block) == said(inst)


@many
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 40),
    st.integers(1, 900), types, st.integers(1, 8), st.integers(1, 30), st.booleans(),
)  # fmt: skip
@example(1, 40, 27, 19, 1, "UINT2", 1, 9, True)  # 513 words: one more than a RAMB18 of 36 bits has
def test_mvaus(
    pe: int, simd: int, rows: int, columns: int, vectors: int, source: str, weight: int, sums: int,
    block: bool,
) -> None:  # fmt: skip
    shape = Matrix(pe * rows, simd * columns, vectors, weight, DataType(source), sums)
    inst = node(
        "MVAU",
        "hls",
        PE=pe,
        SIMD=simd,
        MW=shape.mw,
        MH=shape.mh,
        inputDataType=spelled(source),
        weightDataType=f"UINT{weight}" if weight > 1 else "BINARY",
        outputDataType=f"UINT{sums}",
        accDataType=f"UINT{sums}" if sums > 1 else "BINARY",
        noActivation=1,
        numInputVectors=[vectors],
        ram_style="block" if block else "distributed",
    )
    assert shape.cost(pe, simd, block=block) == said(inst)


@many
@given(
    st.integers(1, 900), st.integers(1, 64), st.integers(1, 64), st.integers(1, 72),
    st.integers(1, 10),
)  # fmt: skip
def test_thresholds(vectors: int, pe: int, rows: int, bits: int, levels: int) -> None:
    inst = node(
        "Thresholding",
        "rtl",
        PE=pe,
        NumChannels=pe * rows,
        numSteps=1,
        inputDataType="INT8",
        weightDataType=f"UINT{bits}" if bits > 1 else "BINARY",
        outputDataType=f"UINT{levels}" if levels > 1 else "BINARY",
        numInputVectors=[vectors],
    )
    assert thresholding(vectors, pe * rows, pe, bits, levels) == said(inst)


@many
@given(st.integers(1, 12), st.integers(1, 64), st.integers(1, 64))
def test_width_converters(bits: int, producer: int, consumer: int) -> None:
    inst = node(
        "StreamingDataWidthConverter",
        "rtl",
        inShape=[1, producer * consumer],
        outShape=[1, producer * consumer],
        inWidth=producer * bits,
        outWidth=consumer * bits,
        dataType=f"UINT{bits}" if bits > 1 else "BINARY",
    )
    assert converter_luts(bits, producer, consumer) == int(inst.lut_estimation(PART))
