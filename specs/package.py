"""The spec of a package: what the archive for the board contains beside the necessary."""

from __future__ import annotations

from typing import Literal

from specs.base import Spec


class PackageSpec(Spec):
    """What the package for a board contains. It changes nothing but the package."""

    extra: Literal["none", "testset"] = "none"
    """"testset" adds the whole test set with its labels, ready for the accelerator, so that the
    board can measure the accuracy by itself."""
