"""The processes that train one network together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, reduce
from torch import Tensor, nn

from pipeline.errors import PipelineError, SpecError
from specs.training import TrainingSpec

T = TypeVar("T")
_PROCESSOR = torch.device("cpu")


@dataclass(frozen=True)
class Team:
    """One of the processes that train together, and the number of them on all machines.

    Each has an equal part of every batch. All draw the same random numbers and take the same steps,
    so all have the same weights.
    """

    device: torch.device = _PROCESSOR
    rank: int = 0
    size: int = 1
    leads: bool = True
    """Whether this is the process that writes the results of its machine."""

    @property
    def part(self) -> tuple[int, int]:
        """(i, n) if this process has the i-th of n equal parts of a batch."""
        return self.rank, self.size

    def own(self, batch: Tensor) -> Tensor:
        """The part of a batch that belongs to this process. All processes have the whole batch."""
        return batch.chunk(self.size)[self.rank]

    def average(self, tensors: list[Tensor]) -> None:
        """Replaces each tensor by its mean over all processes, in one message."""
        if self.size == 1:
            return
        mean = reduce(torch.cat([tensor.reshape(-1) for tensor in tensors]), "mean")
        parts = mean.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def total(self, counts: Tensor) -> Tensor:
        """The sum over all processes."""
        return counts if self.size == 1 else reduce(counts, "sum")

    def check_same(self, model: nn.Module) -> None:
        """Raises PipelineError if a parameter or buffer is not the same in all processes."""
        if self.size == 1:
            return
        values = model.state_dict()
        sums = torch.stack([value.sum(dtype=torch.float64) for value in values.values()])
        apart = (reduce(sums, "max") != -reduce(-sums, "max")).tolist()
        names = [name for name, differs in zip(values, apart, strict=True) if differs]
        if names:
            raise PipelineError(
                f"the {self.size} processes of the training disagree about {', '.join(names)}: the "
                "module keeps statistics of the images, and each process sees other images; train "
                "it with processes=1, machines=1"
            )

    def told_by_first(self, value: T) -> T:
        """The first process' value, in all processes."""
        if self.size == 1:
            return value
        found: list[T] = broadcast_object_list([value])
        return found[0]


ALONE = Team()


def join(training: TrainingSpec) -> Team:
    """Meets the other processes where torchrun's environment says. Returns when all are there."""
    state = PartialState(cpu=training.device == "cpu")
    team = Team(state.device, state.process_index, state.num_processes, state.is_local_main_process)
    assert team.size == training.processes * training.machines, team
    return team


def leave() -> None:
    PartialState().destroy_process_group()


def check_device(training: TrainingSpec) -> None:
    """Raises SpecError if this machine lacks what `device` and `processes` ask for."""
    found = torch.cuda.device_count()
    if training.device == "cuda" and found < training.processes:
        kind = "torch sees no GPU" if not found else f"torch sees {found} GPU"
        raise SpecError(
            f'training.device = "cuda": {kind} on this machine, and processes = '
            f"{training.processes} needs one each; use device=cpu, or install a build of torch "
            "with CUDA (PIPELINE_TORCH, see requirements/install.sh)"
        )
