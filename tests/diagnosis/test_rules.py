"""Each rule is known from a public place, finds its own line, and a user can add one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ROOT
from pipeline.diagnosis import all_rules, diagnose
from pipeline.diagnosis.rules import ANY, Matcher, Rule, ours
from pipeline.errors import SpecError

OURS = {rule.name: rule for rule in ours()}
OWN = """
[[rule]]
name = "licence_of_ours"
pattern = 'no seat left in (?P<room>[a-z]+)'
cause = "All seats of {room} are taken."
remedy = "Ask in {room}."
example = "daemon: no seat left in lab"
"""


@pytest.mark.parametrize("rule", OURS.values(), ids=str)
def test_a_rule_finds_its_own_line(rule: Rule) -> None:
    assert rule.example is not None
    found = diagnose([rule.example])
    names = [finding.rule.name for finding in (*found.errors, *found.warnings)]
    assert names == ([] if rule.level == "harmless" else [rule.name])
    for finding in (*found.errors, *found.warnings):
        assert "?" not in finding.causes[0], "a group of its cause is not in its own example"


@pytest.mark.parametrize("rule", OURS.values(), ids=str)
def test_a_rule_says_where_it_is_known_from(rule: Rule) -> None:
    assert re.match(r"https://(github\.com|docs\.docker\.com)/|this pipeline: ", rule.source)
    assert rule.remedy.endswith(".") or "{" in rule.remedy or rule.remedy[-1].isalnum()


def test_what_follows_is_a_rule_or_any() -> None:
    named = {name for rule in OURS.values() for name in rule.follows}
    assert named <= {ANY, *OURS}


def test_a_user_adds_a_rule(tmp_path: Path) -> None:
    own = tmp_path / "rules.toml"
    own.write_text(OWN)
    rules = all_rules(own)
    assert [rule.name for rule in rules] == ["licence_of_ours", *OURS]
    found = diagnose(["x", "ERROR: no seat left in lab"], rules)
    assert found.root is not None
    assert found.root.causes == ("All seats of lab are taken.",)
    assert found.root.remedy == "Ask in lab."
    assert diagnose(["ERROR: no seat left in lab"]).root is None


def test_a_user_replaces_a_rule(tmp_path: Path) -> None:
    own = tmp_path / "rules.toml"
    own.write_text(OWN.replace("licence_of_ours", "disk_full"))
    assert len(all_rules(own)) == len(OURS)
    assert diagnose(["No space left on device"], all_rules(own)).root is None


def test_the_example_of_the_page_is_a_rule(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "vivado.md").read_text()
    own = tmp_path / "rules.toml"
    own.write_text(page.partition("```toml\n")[2].partition("```")[0])
    rule = all_rules(own)[0]
    root = diagnose([str(rule.example)], all_rules(own)).root
    assert root is not None
    assert root.causes == ("All our licences for Synthesis are in use.",)


WRONG = {
    "pattern = '('": ("pattern", "no regular expression of RE2"),
    "pattern = 'x(?=y)'": ("pattern", "look-around"),
    r"pattern = '(x)\1'": ("pattern", "back-references"),
    "pattern = 'x*'": ("pattern", "every line"),
    "cause = 'In {house}'": ("cause", "{house} is no group of the pattern"),
    "cause = '{room.__class__}'": ("cause", "not the plain name of a group"),
    "cause = '{room!r}'": ("cause", "not the plain name of a group"),
    "cause = '{room'": ("cause", "expected '}'"),
    "remedy = '{0}'": ("remedy", "not the plain name"),
    "example = 'nothing'": ("example", "does not match"),
    "follows = ['licenc']": ("licenc", "did you mean"),
    "level = 'fatal'": ("level", "'error', 'warning' or 'harmless'"),
    "detail = ['x']": ("detail", "unknown field"),
    "details = ['(']": ("details", "no regular expression"),
    "more = ['{what}']": ("more", "{what} is no group"),
    "name = 'a b'": ("name", "pattern"),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_rule_is_one_clear_error(tmp_path: Path, line: str) -> None:
    own = tmp_path / "rules.toml"
    field = line.partition(" ")[0]
    kept = [text for text in OWN.splitlines() if not text.startswith(f"{field} =")]
    own.write_text("\n".join([*kept, line]))
    with pytest.raises(SpecError) as error:
        all_rules(own)
    where, why = WRONG[line]
    text = str(error.value)
    assert text.startswith(f"{own}: ")
    assert where in text
    assert why in text
    assert len(text.splitlines()) == 1


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "rules.toml"
    own.write_text(OWN + OWN)
    with pytest.raises(SpecError, match="two are named licence_of_ours"):
        all_rules(own)


def test_no_pattern_and_no_log_takes_for_ever() -> None:
    """With a backtracking matcher, the first two take longer than the universe is old."""
    line = "a" * 3999 + "!"
    for pattern in ("(a+)+$", "(a|a)*b", "(x+x+)+y", "(a|b)*a(a|b){200}c"):
        assert list(Matcher([pattern]).matches(line)) == []
    assert list(Matcher(["(a+)+!$"]).matches(line)) == [(0, {})]


@given(st.lists(st.text(max_size=300), max_size=30))
def test_any_text_is_diagnosed(lines: list[str]) -> None:
    found = diagnose(lines)
    assert sum(found.counts.values()) <= len(lines)


@given(st.lists(st.sampled_from(sorted(OURS)), min_size=1, max_size=6, unique=True), st.randoms())
def test_the_root_cause_does_not_depend_on_what_follows(names: list[str], random: object) -> None:
    """What only follows never wins over a cause, wherever its line stands."""
    rules = [OURS[name] for name in names]
    found = diagnose([str(rule.example) for rule in rules])
    causes = [rule.name for rule in rules if rule.level == "error" and ANY not in rule.follows]
    if causes:
        assert found.root is not None
        assert ANY not in found.root.rule.follows
