"""A spec that is written is the spec that is read."""

from pathlib import Path

import pytest

from pipeline.planning.toml import written
from specs import catalog
from specs.base import read
from specs.network import NetworkSpec
from specs.pruning import PruningSpec


@pytest.mark.parametrize("name", catalog.names(NetworkSpec))
def test_every_shipped_network_comes_back(tmp_path: Path, name: str) -> None:
    _, spec = catalog.find(NetworkSpec, "network", name, tmp_path)
    changes = {"description": 'two words "quoted"\n\\ \x7f ü 😀'}
    spec = spec.model_copy(update=changes)
    if spec.model.no_hardware() is None:
        pruning = PruningSpec(granularity="columns", layers={"conv1": 0.3, "fc0": 1e-5}, norm=2)
        spec = spec.model_copy(update={"pruning": pruning})
    path = tmp_path / "net.toml"
    path.write_text(written(spec), encoding="utf-8")
    assert read(NetworkSpec, path) == spec
