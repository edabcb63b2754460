"""Counts that fold well, and tables of accuracies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.planning.sites import Level, Site, counts, kept_at, read_table, write_table

CONV = Site("conv1", "conv1", False, tuple(i // 16 for i in range(576)), 1, 4)
DENSE = Site("fc1", "fc0", True, tuple(range(64)), 8, 8)
SITES = {"conv1": CONV, "fc1": DENSE}


def test_counts_have_many_divisors_and_are_what_a_pruning_may_leave() -> None:
    assert counts(CONV, 8) == [36, 30, 27, 21, 18, 15, 9, 6]
    assert counts(DENSE, 8) == [64, 56, 48, 40, 32, 24, 16, 8]


@given(st.integers(1, 200), st.integers(1, 16), st.integers(2, 20), st.data())
def test_each_count_is_what_a_pruning_leaves_at_its_sparsity(
    steps: int, multiple: int, fine: int, data: st.DataObject
) -> None:
    least = multiple * data.draw(st.integers(1, steps))
    site = Site("x", "x", True, tuple(range(steps * multiple)), multiple, least)
    found = counts(site, fine)
    assert found[0] == site.blocks
    for kept in found:
        assert kept >= least
        assert kept_at(site, round(1 - kept / site.blocks, 6)) == kept


@given(st.sampled_from([CONV, DENSE]), st.data())
def test_of_a_site_that_loses_more_nothing_comes_back(site: Site, data: st.DataObject) -> None:
    more, less = sorted(data.draw(st.lists(st.integers(1, site.blocks), min_size=2, max_size=2)))
    assert {*site.places(more)} <= {*site.places(less)}
    assert len(site.places(less)) * site.blocks == less * len(site.index)


def test_a_table_gives_levels_whose_losses_never_fall(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [("conv1", 0.0, 90.0), ("conv1", 0.5, 89.0), ("conv1", 0.75, 89.5), ("fc1", 0.0, 90.0),
            ("fc1", 0.25, 91.0)]  # fmt: skip
    write_table(path, rows)
    top1, levels = read_table(path, SITES)
    assert top1 == 90
    assert levels == {
        "conv1": [Level(36, 0.0), Level(18, 1.0), Level(9, 1.0)],
        "fc1": [Level(64, 0.0), Level(48, 0.0)],
    }


HEAD = "layer,sparsity,accuracy\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line should be layer,sparsity,accuracy"),
        ("a,b\n", "its first line should be"),
        (HEAD, "no row of sparsity 0"),
        (f"{HEAD}conv1,0,90\nconv2,0.5,80", "line 3: conv2: .*conv1"),
        (f"{HEAD}conv1,0,90\nconv1,1,80", "line 3: sparsity is a share from 0 to below 1"),
        (f"{HEAD}conv1,0,90\nconv1,nan,80", "line 3: sparsity is a share"),
        (f"{HEAD}conv1,0,190", "line 2: .* accuracy per cent from 0 to 100"),
        (f"{HEAD}conv1,0", "line 2: should be a layer and two numbers"),
        (f"{HEAD}conv1,0,90\nfc1,0,91", "is 90 in one row and 91 in another"),
        (f"{HEAD}conv1,0,90\n\xff", "should be"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(PipelineError, match=message):
        read_table(path, SITES)
