"""The base of the specs of all families of networks."""

from __future__ import annotations

from specs.base import Spec


class ModelSpec(Spec):
    """The base of the specs of all families of networks."""

    def no_hardware(self) -> str | None:
        """Why no accelerator can be built, and what works instead; None if one can be built."""
        return None
