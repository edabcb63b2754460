"""Names in a file: checks that they can be shown, and shortens them for messages."""

from __future__ import annotations

from pipeline.errors import SpecError

_LONGEST, _SHOWN = 500, 80


def require_name(name: str, what: str) -> str:
    """Returns the name. SpecError: it is empty, too long, or cannot be shown."""
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise SpecError(
            f"{what} is {name_of(name)!r}; allowed are 1 to {_LONGEST} characters that can be shown"
        )
    return name


def name_of(name: str) -> str:
    """A name for a message: on one line, and not too long."""
    plain = "".join(c if c.isprintable() else "?" for c in name[: _SHOWN + 1])
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."
