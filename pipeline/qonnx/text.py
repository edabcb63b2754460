"""Names in a file: text that can be shown."""

from __future__ import annotations

from pipeline.errors import SpecError

_LONGEST, _SHOWN = 500, 80


def require_name(name: str, what: str) -> str:
    """The name. SpecError: it is empty, too long, or holds what cannot be shown."""
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise SpecError(
            f"{what} is {name_of(name)!r}; allowed are 1 to {_LONGEST} characters that can be shown"
        )
    return name


def name_of(name: str) -> str:
    """For a message: one line, not too long."""
    plain = "".join(c if c.isprintable() else "?" for c in name[: _SHOWN + 1])
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."
