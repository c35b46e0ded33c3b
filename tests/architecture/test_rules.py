"""The rules about single files: each holds, and each can be broken."""

import pytest
from tests.architecture.rules import catalogues, honest_tests, shape, tenancy, time_and_money
from tests.architecture.source import Rule, Source, explained, sources

RULES = [
    rule
    for module in (tenancy, time_and_money, shape, catalogues, honest_tests)
    for rule in module.RULES
]


def _law(rule: Rule) -> str:
    return rule.law


@pytest.mark.parametrize("rule", RULES, ids=_law)
def test_it_holds(rule: Rule) -> None:
    """Every file of the repository keeps the rule, or the failure says what to do."""
    faults = [fault for source in sources() for fault in rule.faults(source)]
    if faults:
        pytest.fail(explained(faults, rule.remedy), pytrace=False)


@pytest.mark.parametrize("rule", RULES, ids=_law)
def test_it_can_be_broken(rule: Rule) -> None:
    """A rule finds what it was made to find, and nothing beside it."""
    for path, text in rule.broken:
        assert rule.faults(Source.planted(path, text)), f"not found in {path}: {text}"
    for path, text in rule.kept:
        assert not rule.faults(Source.planted(path, text)), f"wrongly found in {path}: {text}"


def test_a_failure_names_the_place_and_the_remedy() -> None:
    """Whoever breaks a rule is told where, what, and what to do instead."""
    rule = tenancy.RULES[1]
    planted = Source.planted("src/tollkeeper/api/x.py", "\n\nfrom sqlalchemy import select")
    message = explained(rule.faults(planted), rule.remedy)
    assert "src/tollkeeper/api/x.py:3: imports select from sqlalchemy" in message
    assert "Remedy: move the statement into" in message


def test_the_sources_are_there() -> None:
    """Rules about no files would hold for ever."""
    paths = {source.path for source in sources()}
    assert {"src/tollkeeper/main.py", "docs/generate.py", "assets/build.py"} <= paths
    assert "tests/architecture/test_rules.py" in paths
