"""Runs one pruning job: rounds in which the least important is taken out, each with fine-tuning."""

from __future__ import annotations

from dataclasses import replace

import torch

from pipeline.data import FILE, DataSet
from pipeline.job import Figure, Job, Metrics, progress
from pipeline.models import (
    Cut,
    build_of,
    images_to_tensor,
    load_weights,
    mask_parts,
    parts,
    save_cut,
    save_weights,
    shrunken,
)
from pipeline.pruning.blocks import targets
from pipeline.pruning.choice import choose, grown
from pipeline.pruning.record import Row, draw, size_of, write_layers, write_rounds
from pipeline.pruning.removal import removable
from pipeline.pruning.state import State, States
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.curves import Curves
from pipeline.training.launch import launch
from pipeline.training.loop import Labelled, train, validate
from pipeline.training.stage import (
    accuracy,
    encoded,
    of_test,
    prepare,
    require_classes,
    settle,
)
from pipeline.training.team import ALONE, Team, check_device
from specs.input import InputSpec
from specs.models import AnyModel, Model
from specs.pruning import PruningSpec
from specs.training import TrainingSpec

_SLOWER = 4
"""Fine-tuning starts at this part of the training's rate if the spec says no other."""
_ROUND = 1_000_003
"""Apart enough that no round draws the random numbers of another."""


def run(job: Job) -> Metrics:
    """Writes weights.safetensors, masks.npz (see `Cut`), pruning.json, rounds.csv and rounds.svg.

    Beside them are the curves of each round's fine-tuning. weights.safetensors has all parameters
    of the whole network; what was taken out is 0. If an interrupted run of the same job left a
    state, it continues from that, with the same result.
    Raises SpecError if the network cannot be pruned as the spec asks.
    """
    job.read.update(("network.model", "network.input", "network.pruning"))  # by `work`
    training = job.spec("network.training", TrainingSpec)
    check_device(training)
    if training.processes * training.machines > 1:
        return launch(job, training, "pipeline.pruning.stage")
    return work(job, replace(ALONE, device=torch.device(training.device)))


def work(job: Job, team: Team) -> Metrics:
    """The work of one process. Only the first process of each machine returns metrics."""
    contract = job.spec("network.input", InputSpec)
    training = job.spec("network.training", TrainingSpec)
    pruning = job.spec("network.pruning", PruningSpec)
    spec: AnyModel = job.spec("network.model", Model)  # type: ignore[arg-type]
    data = DataSet.read(job.inputs["data"] / FILE)
    spare = require_classes(spec, data)
    settle(training)
    model = build_of(job)
    load_weights(model, job.inputs["train"])
    found = parts(model, contract)
    chosen = targets(pruning, found)
    material = prepare(job, model, data, team)
    learner = material.learner
    test = Labelled(
        encoded(learner, data.test_images, contract).to(team.device),
        torch.from_numpy(data.test_labels).to(team.device),
    )
    states = States(job.folder)
    if (state := states.load(team)) is None:
        progress("measuring the whole network", 0)
        before = validate(learner, material.held_out, team).top1
        size = size_of(found, Cut())
        row = Row(0, 0.0, size.weights, size.macs, before, before,
                  validate(learner, test, team).top1)  # fmt: skip
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        state = State(weights, {}, [row])
    for number in range(len(state.rows), pruning.rounds + 1):
        model.load_state_dict(state.weights)
        masks = choose(pruning, chosen, state.masks, grown(pruning, number))
        mask_parts(found, masks)
        torch.manual_seed(training.seed + _ROUND * number)
        before = validate(learner, material.held_out, team).top1
        tuned = train(
            learner,
            fine_tuning(training, pruning, number),
            material.images,
            material.held_out,
            Checkpoints(states.checkpoint(number)),
            Curves(job.folder, f"round{number}"),
            team,
            _Show(number, pruning.rounds),
        )
        model.load_state_dict(tuned.best.weights)
        size = size_of(found, Cut(masks, removable(pruning, found, masks)))
        row = Row(number, 100 * (1 - size.weights / state.rows[0].weights), size.weights,
                  size.macs, before, tuned.best.accuracy,
                  validate(learner, test, team).top1)  # fmt: skip
        state = State(tuned.best.weights, masks, [*state.rows, row])
        if team.rank == 0:
            states.save(state, number)
    if not team.leads:
        return {}
    model.cpu().load_state_dict(state.weights)
    mask_parts(found, state.masks)
    cut = Cut(state.masks, removable(pruning, found, state.masks))
    save_weights(model.state_dict(), job.folder)
    save_cut(cut, job.folder)
    write_layers(job.folder, found, cut)
    write_rounds(job.folder, state.rows)
    draw(job.folder, state.rows, pruning)
    smaller = shrunken(model, contract, cut)
    reached = accuracy(smaller, images_to_tensor(data.test_images, contract), data.test_labels)
    states.remove()
    first, last = state.rows[0], state.rows[-1]
    return {
        "accuracy_before": Figure(first.test_accuracy, "%", "measured"),
        **of_test(reached, data),
        **spare,
        "validation_before": Figure(first.validation_accuracy, "%", "measured"),
        "validation_accuracy": Figure(last.validation_accuracy, "%", "measured"),
        "sparsity": Figure(last.sparsity, "%", "measured"),
        "weights": Figure(last.weights, "", "measured"),
        "macs": Figure(last.macs, "", "measured"),
        "macs_left": Figure(100 * last.macs / first.macs, "%", "measured"),
        "channels_gone": Figure(
            sum(int((~kept).sum()) for kept in cut.kept.values()), "", "measured"
        ),
        "rounds": Figure(pruning.rounds, "", "measured"),
        "granularity": Figure(pruning.granularity, "", "measured"),
    }


def fine_tuning(training: TrainingSpec, pruning: PruningSpec, number: int) -> TrainingSpec:
    """The training of a round (from 1). Its learning rate falls to zero, and begins anew in each.

    A rate that went on falling would leave later rounds, which take out what matters more, nothing
    to recover with.
    """
    rate = pruning.learning_rate or training.learning_rate / _SLOWER
    return training.model_copy(
        update={
            "epochs": pruning.epochs,
            "learning_rate": rate,
            "schedule": "cosine",
            "patience": None,
            "seed": training.seed + number,  # another order of the images
        }
    )


class _Show:
    """Shows the progress of a round as part of all."""

    def __init__(self, number: int, rounds: int) -> None:
        self._number, self._rounds = number, rounds

    def __call__(self, text: str, share: float) -> None:
        progress(
            f"round {self._number}/{self._rounds}, {text}",
            (self._number - 1 + share) / self._rounds,
        )
