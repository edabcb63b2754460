"""The spec of a pruning: what is taken out of a trained network, how much, and in what steps."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from specs.base import Spec

COLUMNS, CHANNELS, WEIGHTS = "columns", "channels", "weights"
Granularity = Literal["columns", "channels", "weights"]
Share = Annotated[float, Field(ge=0, lt=1)]
"""A share of the weights, 0 for none."""
FIRST, LAST = "first", "last"
"""Words for layers in `skip`, beside their ids."""
OFF = "off"
"""The word on the command line that leaves the pruning of a network's file out."""


class PruningSpec(Spec):
    """What is taken out of the trained network, in rounds with fine-tuning after each.

    Layers are named as in the hardware graph: conv0, conv1, fc0; in residual networks also
    block0_conv0 and block0_shortcut_conv0.
    """

    granularity: Granularity
    """What is taken out. columns: blocks of columns of a layer's weight matrix, for all outputs at
    once; in fully connected layers that is a neuron of the layer before. channels: whole output
    channels of a layer. weights: single weights, which only pays where a layer is wholly unrolled.
    As a variable: `prune=`; `prune=off` leaves pruning out."""
    sparsity: Share = 0.5
    """The share that each pruned layer loses of its columns, channels or weights. The network as a
    whole may lose more: a channel that no column reads any more goes, too, with all that made it.
    """
    layers: dict[str, Share] = Field(default_factory=dict)
    """The share of each layer by its id. Layers that it does not name are not pruned. Without it
    `sparsity` holds for all. As a variable: `prune_layers=conv1:0.5,conv2:0.25`."""
    skip: tuple[str, ...] = ()
    """Layers that are not pruned: ids, or the words first and last. Without it all are pruned, but
    those that cannot be."""
    scope: Literal["layer", "global"] = "layer"
    """layer: each layer loses the same share. global: all layers together lose it; what is least
    important goes first, whichever layer it is in."""
    max_sparsity: float = Field(default=0.9, gt=0, lt=1)
    """No layer is asked to lose a greater share than this, whatever the other fields say."""
    norm: float = Field(default=1.0, gt=0, le=64)
    """What is least important: the order of the L-norm of its weights. 1: the sum of magnitudes; 2:
    the Euclidean norm."""
    simd_list: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = ()
    """The SIMD that each layer will have: one number for all layers, or one for each, in order.
    Columns go in blocks of so many, in the order in which the hardware streams them: pixel by
    pixel of the kernel, channels innermost. So what is left is a multiple of it. Without it the
    blocks are as large as leaves at least 8 of them, and at most 16."""
    pe_list: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = ()
    """The PE that each layer will have, likewise: its channels or neurons go in blocks of so
    many."""
    rounds: int = Field(default=4, ge=1, le=100)
    """The number of rounds. In each some more is taken out, then the network is fine-tuned."""
    schedule: Literal["even", "cubic"] = "cubic"
    """How the sparsity grows over the rounds. even: by the same share in each. cubic: much in the
    first rounds, little in the last."""
    epochs: int = Field(default=5, ge=0, le=100_000)
    """Epochs of fine-tuning in each round. 0 does not fine-tune."""
    learning_rate: float | None = Field(default=None, gt=0)
    """The learning rate at the beginning of each round, from which it falls to zero as a cosine.
    Without it a quarter of the training's."""

    @field_validator("simd_list", "pe_list", "skip", mode="before")
    @classmethod
    def _of_a_variable(cls, value: object) -> object:
        if isinstance(value, str):
            return value.replace(" ", "").split(",")
        return (value,) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("layers", mode="before")
    @classmethod
    def _layers_of_a_variable(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition(":") for part in value.replace(" ", "").split(",")]
        if not all(name and share for name, _, share in pairs):
            raise ValueError("should be a list as in conv1:0.5,conv2:0.25")
        if len({name for name, _, _ in pairs}) != len(pairs):
            raise ValueError("should name each layer once")
        return {name: share for name, _, share in pairs}

    @model_validator(mode="after")
    def _fields_have_a_meaning(self) -> Self:
        faults = []
        if self.layers:
            given = {
                name: getattr(self, name)
                for name in ("sparsity", "skip", "scope")
                if getattr(self, name) != type(self).model_fields[name].default
            }
            faults += [
                f"{name} = {value!r}: has no meaning with layers, which says the share of each "
                "layer; leave one of the two out"
                for name, value in given.items()
            ]
        for name in ("simd_list", "pe_list"):
            if getattr(self, name) and self.granularity == WEIGHTS:
                faults.append(
                    f'{name}: granularity = "{WEIGHTS}" takes single '
                    f'weights out, not blocks; leave it out, or use "{COLUMNS}" or "{CHANNELS}"'
                )
        asked = {"sparsity": self.sparsity}
        faults += [
            f"{name} = {share:g}: more than max_sparsity = {self.max_sparsity:g}; raise that, too"
            for name, share in (self.layers or asked).items()
            if share > self.max_sparsity
        ]
        if self.epochs == 0 and self.learning_rate is not None:
            faults.append(
                f"learning_rate = {self.learning_rate:g}: belongs to fine-tuning, and epochs = 0 "
                "does none"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self
