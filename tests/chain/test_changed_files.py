"""Legal networks with something changed: refused in words, or the scores of the changed file."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from pipeline.data.inputs import draw
from pipeline.errors import PipelineError
from tests.export import product
from tests.export.independent import by_qonnx, judge
from tests.export.random_files import Random

EXAMPLES = 40
INPUTS = 4
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
OTHERS = (
    *("Abs", "Clip", "Flatten", "Floor", "GlobalAveragePool", "Identity", "LeakyRelu", "Neg"),
    *("ReduceMean", "Relu", "Sigmoid", "Softmax", "Sqrt", "Tanh", "Transpose"),
)
"""Operators that take the place of others."""


def changed(model: Any, chance: random.Random) -> str:
    """Changes one thing; returns what."""
    graph = model.graph
    kind = chance.choice(["constant", "constant", "attribute", "operator", "left out", "twice"])
    if kind == "constant":
        return f"constant {_constant(chance.choice(graph.initializer), chance)}"
    node = chance.choice(graph.node)
    if kind == "attribute" and node.attribute:
        return f"attribute {_attribute(node, chance)}"
    if kind == "operator":
        node.op_type, node.domain = chance.choice(OTHERS), ""
        del node.input[1:], node.attribute[:]
    elif kind == "left out" and node.output[0] != graph.output[0].name:
        _read_instead(graph, node.output[0], node.input[0])
        graph.node.remove(node)
    elif kind == "twice":
        made = f"{node.output[0]}_twice"
        _read_instead(graph, node.output[0], made)
        twice = helper.make_node(
            chance.choice(["Add", "Sub", "Mul", "Max"]), [node.output[0]] * 2, [made]
        )
        graph.node.insert([*graph.node].index(node) + 1, twice)
    return f"{kind} {node.op_type}"


def _constant(tensor: Any, chance: random.Random) -> str:
    values = numpy_helper.to_array(tensor)
    kind = chance.choice(["zero", "negative", "half", "great", "small", "round", "longer"])
    found = {
        "zero": values * 0,
        "negative": -values,
        "half": values + np.asarray(0.5),
        "great": values * np.asarray(1e9),
        "small": values * np.asarray(1e-6),
        "round": np.round(values),
        "longer": np.repeat(values.reshape(-1), 3),
    }[kind]
    tensor.CopyFrom(numpy_helper.from_array(found.astype(values.dtype), tensor.name))
    return kind


def _attribute(node: Any, chance: random.Random) -> str:
    attribute = chance.choice(node.attribute)
    value, name = helper.get_attribute_value(attribute), str(attribute.name)
    other: Any = chance.choice([0, 1, 2, 3])
    if isinstance(value, list):
        other = [chance.choice([0, 1, 2, 3]) for _ in value]
    if isinstance(value, bytes):
        other = chance.choice(["CEIL", "FLOOR", "HALF_UP", "ROUND"])
    if isinstance(value, float):
        other = chance.choice([-1.0, 0.0, 0.3])
    node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, other))
    return name


def _read_instead(graph: Any, name: str, other: str) -> None:
    for reader in graph.node:
        reader.input[:] = [other if at == name else at for at in reader.input]


def is_legal(path: Path, one: np.ndarray) -> bool:
    """Whether qonnx' own executor takes the file at all."""
    try:
        return bool(np.all(np.isfinite(by_qonnx(path, one))))
    except Exception:  # noqa: BLE001 - what onnx and its run time raise is of the file
        return False


def test_changed_files(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=PHASES,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(seed=st.integers(0, 100_000))
    def attempt(seed: int) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            net = Random(seed, Path(folder) / "model.onnx")
            model, chance = onnx.load(str(net.path)), random.Random(seed)
            net.told.append(changed(model, chance))
            path = Path(folder) / "changed.onnx"
            onnx.save(model, str(path))
            inputs = draw(net.contract, INPUTS)
            try:
                graph = product.of_file(path, net.contract, "logits")
            except PipelineError as error:
                outcomes["refused"] += 1
                if "please report" in str(error):  # it does not say what would work
                    raise
                return
            if is_legal(path, net.first(inputs)):  # else the stage refuses what cannot be executed
                judge(path, graph, inputs, net.layout)
                outcomes["built"] += 1

    attempt()
    assert min(outcomes["refused"], outcomes["built"]) >= EXAMPLES // 10, outcomes
