from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.ids import new_uuid7, parse_uuid


def test_ids_are_uuids_of_version_7() -> None:
    """The contract promises RFC 9562's version 7; drivers expect the standard type."""
    fresh = new_uuid7()
    assert type(fresh) is UUID
    assert fresh.version == 7
    assert fresh.variant == "specified in RFC 4122"


def test_later_ids_are_greater() -> None:
    """Sorting by id is sorting by creation, even within one millisecond."""
    made = [new_uuid7() for _ in range(5_000)]
    assert all(earlier < later for earlier, later in pairwise(made))


def test_ids_made_at_once_are_distinct() -> None:
    """Threads never hand out the same id, and each sees its own in order."""
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: [new_uuid7() for _ in range(2_000)], range(4)))
    assert all(run == sorted(run) for run in runs)
    assert len({made for run in runs for made in run}) == 8_000


@given(st.uuids())
def test_the_canonical_form_is_read_back(value: UUID) -> None:
    """An id in a link is the id in the database; upper case, which RFC 9562 allows, included."""
    assert parse_uuid(str(value)) == value
    assert parse_uuid(str(value).upper()) == value


CANONICAL = "019b7d6c-8a00-7c3e-9b1f-2d4a5e6f7081"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        CANONICAL.replace("-", ""),
        f"{{{CANONICAL}}}",
        f"urn:uuid:{CANONICAL}",
        f" {CANONICAL}",
        f"{CANONICAL}\n",
        CANONICAL[:-1],
        CANONICAL + "0",
        CANONICAL.replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        CANONICAL.replace("a", "g"),
        "019b7d6c8-a00-7c3e-9b1f-2d4a5e6f7081",
        "_" * 36,
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    """One id has one spelling, so that logs, links and signatures agree."""
    with pytest.raises(InvalidValue, match=r"^must be a UUID such as '[0-9a-f-]{36}'$"):
        parse_uuid(text)


@given(st.one_of(st.text(max_size=50), st.text("0123456789abcdefABCDEF-", max_size=40)))
@example(CANONICAL)
def test_any_text_is_an_id_or_refused(text: str) -> None:
    """No text ends in another exception."""
    try:
        value = parse_uuid(text)
    except InvalidValue:
        return
    assert str(value) == text.lower()
