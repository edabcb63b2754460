"""The strategies: which directive each step of Vivado gets.

They are the vendor's own strategies: Flow_RuntimeOptimized, Area_Explore, and
Performance_ExplorePostRoutePhysOpt (UG904, appendix of strategies and directives), with the
synthesis directives of UG901.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """A directive for each step: "" is Vivado's default, and with None the step is left out."""

    synth: str
    opt: str
    place: str
    physical: str | None
    route: str
    after_route: str | None


STRATEGIES = {
    "default": Strategy("", "", "", "", "", None),
    "quick": Strategy(
        synth="RuntimeOptimized",
        opt="RuntimeOptimized",
        place="RuntimeOptimized",
        physical=None,
        route="RuntimeOptimized",
        after_route=None,
    ),
    "area": Strategy(
        synth="AreaOptimized_high",
        opt="ExploreArea",
        place="",
        physical="",
        route="",
        after_route=None,
    ),
    "speed": Strategy(
        synth="PerformanceOptimized",
        opt="Explore",
        place="Explore",
        physical="Explore",
        route="Explore",
        after_route="Explore",
    ),
}
"""By `VivadoSpec.strategy`."""
