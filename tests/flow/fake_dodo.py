"""The real task graph with fake stages."""

import sys
from dataclasses import replace

from pipeline import ROOT, chain

sys.path.insert(0, str(ROOT))
LEAVES = (("all it makes", "out.txt"),)
fakes = tuple(replace(stage, module="tests.flow.fakes", files=LEAVES) for stage in chain.STAGES)
chain.STAGES = fakes  # type: ignore[assignment] # a tuple of as many
chain.BY_NAME = {stage.name: stage for stage in (*chain.STAGES, *chain.ASKED)}

from dodo import *  # noqa: E402, F403 - after the stages were replaced
