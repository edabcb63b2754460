"""A plan is a value: what is in its digest, and what it refuses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.vendor.installed import plan

WORDS = st.dictionaries(st.text("abc", min_size=1), st.text(max_size=5), max_size=3)


@given(WORDS, WORDS)
def test_the_digest_tells_plans_apart_and_nothing_else(
    one: dict[str, str], two: dict[str, str]
) -> None:
    for field in ("files", "environment", "inputs"):
        same = plan(**{field: one}).digest() == plan(**{field: two}).digest()
        assert same == (one == two), field


def test_paths_and_needs_of_this_machine_are_not_in_the_digest() -> None:
    assert plan(reads=(Path("/a"),), memory_mib=9).digest() == plan().digest()
    assert plan(argv=("vivado", "-x")).digest() != plan().digest()
    assert plan(name="other").digest() != plan().digest()


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", ".run/x", ".run"])
def test_a_file_outside_the_work_folder_is_refused(name: str) -> None:
    for field in ({"files": {name: ""}}, {"products": (name,)}):
        with pytest.raises(ValueError, match="not within the work folder"):
            plan(**field)


@pytest.mark.parametrize(
    "field",
    [{"name": "a/b"}, {"name": ""}, {"argv": ()}, {"argv": ("/usr/bin/vivado",)},
     {"environment": {"A B": ""}}],
)  # fmt: skip
def test_odd_plans_are_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="plan"):
        plan(**field)
