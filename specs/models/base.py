"""What all families of networks share."""

from __future__ import annotations

from specs.base import Spec


class ModelSpec(Spec):
    """What all families of networks share."""

    def no_hardware(self) -> str | None:
        """Why no accelerator can be built of the network, and what works; None: one can."""
        return None
