"""Which blocks are taken out of a network, and that what stays suits the hardware."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SpecError
from pipeline.models import Part, build, parts
from pipeline.pruning.blocks import Target, default, targets
from pipeline.pruning.choice import Masks, choose, grown
from pipeline.pruning.removal import removable
from specs.input import InputSpec
from specs.models import CnvModel, FcModel
from specs.pruning import PruningSpec


def network(
    channels: tuple[int, ...] = (8, 16), dense: tuple[int, ...] = (32,), colours: int = 3
) -> dict[str, Part]:
    """The parts of a small convolutional network on images of 8x8."""
    spec = CnvModel.model_validate(
        {
            "family": "cnv",
            "convolutions": [{"channels": count, "kernel": 2} for count in channels],
            "dense": [{"width": width} for width in dense],
            "weight_bits": 2,
            "activation_bits": 2,
        }
    )
    contract = InputSpec(shape=(8, 8, colours))
    torch.manual_seed(0)
    return parts(build(spec, contract), contract)


def pruned(found: dict[str, Part], **fields: Any) -> tuple[dict[str, Target], Masks]:
    spec = PruningSpec.model_validate(fields)
    chosen = targets(spec, found)
    return chosen, choose(spec, chosen, {})


def test_parts_are_named_and_ordered_as_in_the_hardware_graph() -> None:
    found = network()
    shapes = {name: (x.rows, x.columns, x.channels, x.vectors) for name, x in found.items()}
    assert shapes == {
        "conv0": (8, 12, 3, 49),
        "conv1": (16, 32, 8, 36),
        "fc0": (32, 576, 16, 1),
        "fc1": (10, 32, 32, 1),
    }
    assert [x.source for x in found.values()] == [None, "conv0", "conv1", "fc0"]


def test_columns_are_in_the_order_of_the_stream() -> None:
    part = network()["conv1"]
    weights = part.layer.weight.detach()
    matrix = part.matrix(weights)
    assert matrix[5, 2 * 8 + 3] == weights[5, 3, 1, 0], "pixel (1, 0), channel 3"
    assert torch.equal(part.weights(matrix), weights)
    dense = network()["fc0"]
    matrix = dense.matrix(dense.layer.weight)
    # torch flattens channel by channel, the hardware streams pixel by pixel
    assert matrix[7, 5 * 16 + 9] == dense.layer.weight[7, 9 * 36 + 5]
    assert torch.equal(dense.weights(matrix), dense.layer.weight)


def test_the_block_of_the_least_norm_goes_first() -> None:
    found = network()
    part = found["conv1"]
    with torch.no_grad():
        matrix = torch.full((16, 32), 0.5)
        matrix[:, 8:16] = 0.4  # the second pixel
        matrix[:8, 16:24] = 0.0  # the third: less in sum, but not by the Euclidean norm
        matrix[8:, 16:24] = 0.75
        part.layer.weight.copy_(part.weights(matrix))
    fields = {"granularity": "columns", "layers": {"conv1": 0.25}, "simd_list": 8}
    for norm, lost in ((1, 16), (2, 8)):
        _, masks = pruned(found, **fields, norm=norm)
        gone = (~masks["conv1"]).nonzero().flatten().tolist()
        assert gone == [*range(lost, lost + 8)], norm


def test_a_column_of_a_dense_layer_is_a_neuron_wherever_it_is() -> None:
    found = network()
    part = found["fc1"]
    with torch.no_grad():
        part.layer.weight.fill_(0.5)
        part.layer.weight[:, 1::4] = 0.1
    chosen, masks = pruned(found, granularity="columns", layers={"fc1": 0.25})
    assert chosen["fc1"].multiple == default(32) == 4
    assert (~masks["fc1"]).nonzero().flatten().tolist() == [*range(1, 32, 4)]


def test_channels_are_masked_in_all_pixels_of_what_reads_them() -> None:
    found = network()
    _, masks = pruned(found, granularity="channels", layers={"conv0": 0.5, "conv1": 0.25})
    assert masks.keys() == {"conv1", "fc0"}
    for name, rest in (("conv1", 4), ("fc0", 12)):
        pixels = masks[name].reshape(-1, found[name].channels)
        assert torch.equal(pixels, pixels[:1].expand_as(pixels))
        assert pixels[0].sum() == rest


def test_single_weights_go_by_their_magnitude() -> None:
    found = network()
    _, masks = pruned(found, granularity="weights", sparsity=0.7)
    for name, part in found.items():
        matrix = part.matrix(part.layer.weight.detach()).abs()
        assert masks[name].float().mean().item() == pytest.approx(0.3, abs=0.05)
        assert matrix[masks[name]].min() >= matrix[~masks[name]].max()


def test_globally_the_least_important_layer_loses_most() -> None:
    found = network()
    with torch.no_grad():  # half of it matters much more than the other half
        found["fc0"].layer.weight[:, ::2] *= 1e-3
    chosen, masks = pruned(
        found, granularity="weights", sparsity=0.5, scope="global", max_sparsity=0.9
    )
    lost = {name: 1 - masks[name].float().mean().item() for name in found}
    weights = {name: part.rows * part.columns for name, part in found.items()}
    share = sum(lost[name] * weights[name] for name in found) / sum(weights.values())
    assert share == pytest.approx(0.5, abs=0.01)
    assert lost["fc0"] == max(lost.values()) > lost["conv1"]
    assert all(lost[name] <= 0.9 for name in chosen)


@pytest.mark.parametrize("schedule", ["even", "cubic"])
def test_the_schedule_ends_at_the_whole_share(schedule: str) -> None:
    spec = PruningSpec.model_validate({"granularity": "columns", "rounds": 5, "schedule": schedule})
    done = [grown(spec, number) for number in range(6)]
    assert done == sorted(done)
    assert [done[0], done[-1]] == [0, 1]
    assert (done[1] == pytest.approx(0.2)) == (schedule == "even")
    assert (done[1] > 0.4) == (schedule == "cubic")


counts = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
folds = st.sampled_from([1, 2, 3, 4, 8, 16])


@settings(max_examples=25, deadline=None)
@given(
    channels=st.tuples(counts, counts),
    width=counts,
    colours=st.sampled_from([1, 3]),
    granularity=st.sampled_from(["columns", "channels"]),
    scope=st.sampled_from(["layer", "global"]),
    simd=st.none() | folds,
    pe=st.none() | folds,
    sparsity=st.floats(0.05, 0.9),
    seed=st.integers(0, 3),
)
def test_what_stays_suits_pe_and_simd_and_only_shrinks(
    channels: tuple[int, int],
    width: int,
    colours: int,
    granularity: str,
    scope: str,
    simd: int | None,
    pe: int | None,
    sparsity: float,
    seed: int,
) -> None:
    found = network(channels, (width,), colours)
    torch.manual_seed(seed)
    for part in found.values():
        torch.nn.init.normal_(part.layer.weight)
    spec = PruningSpec.model_validate(
        {
            "granularity": granularity,
            "scope": scope,
            "sparsity": sparsity,
            "simd_list": simd or (),
            "pe_list": pe or (),
        }
    )
    chosen = targets(spec, found)
    masks: Masks = {}
    for done in (0.3, 0.7, 1.0):
        before, masks = masks, choose(spec, chosen, masks, done)
        assert all((mask & ~before.get(name, mask)).sum() == 0 for name, mask in masks.items())
    for target in chosen.values():
        mask = masks[target.part.id]
        assert mask.any()
        kept = int(target.index[mask].unique().numel())
        assert kept % target.multiple == 0
        # blocks go as a whole
        assert mask.sum() == sum(
            int((target.index == b).sum()) for b in target.index[mask].unique()
        )
        if scope == "layer":
            step = target.multiple / target.blocks
            assert abs(1 - kept / target.blocks - sparsity) <= max(step / 2, step * 0.999) + 1e-9
    for name, part in found.items():
        if granularity == "columns" and name in masks and part.pixels > 1:
            # a word of the window is kept or skipped as a whole
            lanes = part.columns // chosen[name].blocks
            assert part.word % lanes == 0
    for name, kept_rows in removable(spec, found, masks).items():
        reader = next(part for part in found.values() if part.source == name)
        columns = masks[reader.id].reshape(reader.pixels, reader.channels)
        assert not columns[:, ~kept_rows].any(), "what is read is never taken out"
        if pe is not None:
            assert int(kept_rows.sum()) % torch.tensor(pe).gcd(torch.tensor(reader.channels)) == 0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"layers": {"conv9": 0.5}}, "pruning.layers: conv9: no such layer; did you mean"),
        ({"skip": ["fc7"]}, "pruning.skip: fc7: no such layer"),
        ({"skip": ["first", "conv1", "fc0", "last"]}, "no layer is left to prune"),
        ({"simd_list": [3, 8]}, "2 numbers; give one for all layers, or one for each of the 4"),
        ({"simd_list": [3, 8, 16, 5]}, "5 for fc1: it does not divide the 32 columns; allowed: 1"),
        ({"pe_list": [3, 1, 1, 1], "granularity": "channels"}, "3 for conv0: .* 8 channels"),
        (
            {"granularity": "channels", "layers": {"fc1": 0.5}},
            "fc1: its channels cannot be taken out; .*allowed: conv0, conv1, fc0",
        ),
    ],
)
def test_what_a_network_has_not_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        pruned(network(), **{"granularity": "columns", **fields})


def test_first_and_last_are_words_for_layers() -> None:
    chosen, _ = pruned(network(), granularity="columns", skip=["first", "last"])
    assert [*chosen] == ["conv1", "fc0"]


def test_the_thesis_settings_are_one_line() -> None:
    fields = {"granularity": "columns", "sparsity": 0.9, "max_sparsity": 0.9}
    chosen, masks = pruned(network(), **fields, simd_list="3, 8, 16, 4")
    lost = {name: 1 - masks[name].float().mean().item() for name in chosen}
    assert lost["fc0"] == pytest.approx(0.9, abs=0.02)
    assert max(lost.values()) <= 0.9


def test_fully_connected_networks_lose_pixels_in_words_of_the_memory_port() -> None:
    contract = InputSpec()
    model = FcModel(hidden=(64,), weight_bits=1, activation_bits=1, input_bits=1)
    chosen, masks = pruned(parts(build(model, contract), contract), granularity="columns")
    words = masks["fc0"].reshape(-1, 8)
    assert torch.equal(words, words[:, :1].expand_as(words))
    assert int(masks["fc0"].sum()) % 16 == 0
    assert chosen["fc1"].multiple == 8
