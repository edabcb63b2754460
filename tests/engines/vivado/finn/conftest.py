"""FINN, bootstrapped as for its own tests."""

from tests.streamlining.conftest import finn_work

__all__ = ["finn_work"]
