"""The real task graph with fake stages."""

import sys
from dataclasses import replace

from pipeline import graph
from pipeline.variables import ROOT

sys.path.insert(0, str(ROOT))
fakes = tuple(replace(stage, module="tests.orchestration.fakes") for stage in graph.STAGES)
graph.STAGES = fakes  # type: ignore[assignment] # a tuple of as many
graph.BY_NAME = {stage.name: stage for stage in (*graph.STAGES, *graph.EVALUATIONS)}

from dodo import *  # noqa: E402, F403 - after the stages were replaced
