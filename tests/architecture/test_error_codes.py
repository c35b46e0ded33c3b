"""The catalogue of errors: each code once, at home in its package, with a way out and a page."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from tests.architecture.source import REPOSITORY, Source, explained, sources

from tollkeeper.api.error_pages import catalogue, explain
from tollkeeper.kernel.errors import ErrorCode

# A code's area is its package, unless callers know the package's things by other nouns.
AREAS = {
    "api": {"request", "service"},
    "infra": {"service", "idempotency"},
    "gate": {"gate", "credits", "usage"},
    "metering": {"usage"},
    "providers": {"providers", "auth", "access_tokens"},
}
PAGES = REPOSITORY / "docs/errors"


def _declared(found: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """The package and the code of every declaration in an `errors.py`."""
    for source in found:
        if source.is_program and source.name == "errors.py":
            for call, what in source.calls():
                if what == "ErrorCode" and isinstance(call.args[0], ast.Constant):
                    yield source.package, str(call.args[0].value)


def _strangers(found: Iterable[Source]) -> list[str]:
    return [
        f"{code} is declared in {package}"
        for package, code in _declared(found)
        if code.partition(".")[0] not in AREAS.get(package, {package})
    ]


def _twice(found: Iterable[Source]) -> list[str]:
    counted = Counter(code for _, code in _declared(found))
    return [f"{code} is declared {count} times" for code, count in counted.items() if count > 1]


def _mute(codes: Iterable[ErrorCode]) -> list[str]:
    return [
        f"{one.code}: {sentence!r} is no sentence"
        for one in codes
        for sentence in (one.summary, one.remedy)
        if len(sentence.split()) < 3 or not sentence.endswith(".") or sentence[0].islower()
    ]


def test_every_declared_code_is_in_the_catalogue() -> None:
    """What is raised can be looked up: the catalogue finds each `errors.py`."""
    assert {code for _, code in _declared(sources())} == set(catalogue())


def test_a_code_is_at_home_in_its_package() -> None:
    """From a code one finds the package that raises it."""
    if faults := _strangers(sources()):
        pytest.fail(
            explained(faults, "begin the code with its package's name; see AREAS"), pytrace=False
        )


def test_no_code_is_declared_twice() -> None:
    """One code means one thing."""
    if faults := _twice(sources()):
        pytest.fail(explained(faults, "import the declaration that is there"), pytrace=False)


def test_every_code_says_what_happened_and_what_to_do() -> None:
    """Whoever meets an error is told, in sentences, how to go on."""
    if faults := _mute(catalogue().values()):
        pytest.fail(
            explained(faults, "summary and remedy are sentences, with a full stop"), pytrace=False
        )


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    """`docs` of an error leads somewhere, and no page speaks of what cannot happen."""
    pages = {page.stem for page in PAGES.glob("*.md")} - {"README"}
    assert pages == set(catalogue()), "run `make docs`"


def test_the_page_of_a_fields_code_is_made_up_on_the_spot() -> None:
    """`<area>.<field>_required` and `_invalid` are explained without being declared."""
    found = explain("customers.email_required")
    assert found is not None
    assert "email is missing" in found.summary
    assert explain("nobody.knows") is None


def test_planted_codes_are_judged() -> None:
    """The tests above can fail."""
    code = "X = ErrorCode('keys.gone', 404, 'It is gone for good.', 'Ask for another one.')"
    home = Source.planted("src/tollkeeper/keys/errors.py", code)
    elsewhere = Source.planted("src/tollkeeper/credits/errors.py", code)
    assert not _strangers([home])
    assert _strangers([elsewhere])
    assert not _twice([home])
    assert _twice([home, elsewhere])
    assert not _mute([ErrorCode("keys.gone", 404, "It is gone for good.", "Ask for another one.")])
    assert _mute([ErrorCode("keys.gone", 404, "It is gone for good.", "")])
