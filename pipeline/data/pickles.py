"""Reads pickles from untrusted sources, without Python's unpickler.

Python's unpickler imports and calls anything by name, reserves as much memory as the file says, and
crashes on a deeply nested key. Here a pickle can make only plain values and what the caller offers.
"""

from __future__ import annotations

import io
import pickletools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

MOST_STEPS = 1 << 20
"""The most steps of one pickle. They can make a hundred megabytes at most."""
_KEYS = (str, bytes, int, float, type(None))
_PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_PYTHON_2_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = {"PROTO", "FRAME"}


class PickleError(Exception):
    """A pickle is damaged, or needs more than is offered to it; the text is the reason."""


class DamagedPickleError(PickleError):
    """The file is truncated or not a pickle."""


class Built(ABC):
    """An object whose state a pickle may set after it has made the object."""

    @abstractmethod
    def build(self, state: object) -> None:
        """Takes the state. PickleError: it is none for this object."""


def read(
    file: io.BytesIO,
    offered: Mapping[str, Any],
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Reads one pickle and returns its value. Afterwards `file` is positioned behind the pickle.

    offered: the allowed global names ("module name") and what stands for them; functions among them
    may be called. persistent: returns the value for an id of something stored outside the pickle.
    Attributes set on a dictionary are ignored. PickleError: the pickle needs anything else.
    """
    try:
        return _Machine(offered, persistent).run(file)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise DamagedPickleError(f"damaged or truncated: {error}") from None


class _Machine:
    """The machine that runs a pickle: it has a stack, and a memo of values by number."""

    def __init__(self, offered: Mapping[str, Any], persistent: Callable[[Any], Any] | None) -> None:
        self.offered = offered
        self.persistent = persistent
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, file: io.BytesIO) -> Any:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number >= MOST_STEPS:
                raise PickleError(f"more than {MOST_STEPS:,} steps")
            if opcode.name == "STOP":
                return self.stack.pop()
            self.step(opcode.name, argument)
        raise ValueError("no end")

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _PLAIN:
            stack.append(argument)
        elif name in _PYTHON_2_STRINGS:
            stack.append(argument.encode("latin1"))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise IndexError("nothing on the stack")
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name not in _NOTHING:
            self.structure(name, argument)

    def structure(self, name: str, argument: Any) -> None:
        """Runs one of the steps that combine values."""
        stack = self.stack
        if name == "MARK":
            self.outer.append(stack)
            self.stack = []
        elif name == "POP":
            stack.pop()
        elif name in ("TUPLE", "LIST", "DICT"):
            items = self.marked()
            self.stack.append(tuple(items) if name == "TUPLE" else items)
            if name == "DICT":
                self.stack[-1] = {}
                self.set_items(items)
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self.marked()
            if type(self.stack[-1]) is not list:
                raise TypeError("something is appended to what is no list")
            self.stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self.marked()
            self.set_items(items)
        elif name == "GLOBAL":
            stack.append(self.named(argument))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(self.named(f"{module} {attribute}"))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stand_in = isinstance(function, type) and issubclass(function, Built)
            if name == "NEWOBJ" and not stand_in:
                raise PickleError("its step NEWOBJ is not allowed")
            if not callable(function) or type(arguments) is not tuple:
                raise TypeError("something is called that is no function")
            stack.append(function(*arguments))
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Built):
                stack[-1].build(state)
            elif type(stack[-1]) is not dict:
                raise TypeError("a plain value is given a state")
        elif name == "BINPERSID" and self.persistent is not None:
            stack.append(self.persistent(stack.pop()))
        else:
            raise PickleError(f"its step {name} is not allowed")

    def named(self, name: str) -> Any:
        if name not in self.offered:
            raise PickleError(f"it wants {name.replace(' ', '.')[:100]!r}")
        return self.offered[name]

    def marked(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise TypeError("something is set in what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise PickleError(f"a {type(key).__name__} is a key of a dictionary")
            target[key] = value
