import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.pages import (
    MAX_CURSOR_LENGTH,
    MAX_PAGE_NUMBER,
    MAX_PER_PAGE,
    Page,
    decode_cursor,
    encode_cursor,
)

BIGINT = 2**63
REFUSAL = r"^must be the next_cursor of an earlier answer$"

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
parts_of_cursors = st.lists(st.one_of(texts, st.integers(-BIGINT, BIGINT - 1)), max_size=4)


def shape_of(parts: list[str | int]) -> tuple[type, ...]:
    return tuple(type(part) for part in parts)


def by_hand(payload: object, *, space: str = "", ascii_only: bool = False) -> str:
    """A cursor as somebody might forge it."""
    written = json.dumps(payload, ensure_ascii=ascii_only, separators=("," + space, ":" + space))
    return urlsafe_b64encode(written.encode()).rstrip(b"=").decode()


class TestPage:
    def test_the_first_page_is_the_default(self) -> None:
        """A list without parameters answers its first fifty."""
        assert (Page().number, Page().offset, Page().limit) == (1, 0, 50)

    @given(st.integers(1, MAX_PAGE_NUMBER), st.integers(1, MAX_PER_PAGE))
    @example(MAX_PAGE_NUMBER, MAX_PER_PAGE)
    def test_pages_adjoin_and_fit_the_database(self, number: int, per_page: int) -> None:
        """No item is shown twice or left out, and PostgreSQL is asked for no more than a bigint."""
        page = Page(number, per_page)
        assert 0 <= page.offset <= page.offset + page.limit < BIGINT
        if number < MAX_PAGE_NUMBER:
            assert Page(number + 1, per_page).offset == page.offset + page.limit

    @pytest.mark.parametrize("number", [0, -1, MAX_PAGE_NUMBER + 1, 10**400])
    def test_a_page_that_cannot_be_is_refused(self, number: int) -> None:
        """The caller hears what is wrong; the database never does."""
        with pytest.raises(InvalidValue, match=r"^must be a page number from 1 to \d+$"):
            Page(number=number)

    @pytest.mark.parametrize("per_page", [0, -1, 201])
    def test_a_page_of_another_size_is_refused(self, per_page: int) -> None:
        """Nobody reads a whole table in one request."""
        with pytest.raises(InvalidValue, match=r"^must be a page size from 1 to 200$"):
            Page(per_page=per_page)


class TestCursors:
    @given(parts_of_cursors)
    def test_what_is_written_is_read_back(self, parts: list[str | int]) -> None:
        """The next portion begins exactly where the last one ended."""
        cursor = encode_cursor(*parts)
        assert decode_cursor(cursor, shape_of(parts)) == tuple(parts)
        assert len(cursor) <= MAX_CURSOR_LENGTH

    @given(parts_of_cursors)
    def test_a_cursor_needs_no_escaping(self, parts: list[str | int]) -> None:
        """It goes into a query string as it is."""
        assert encode_cursor(*parts).replace("-", "").replace("_", "").isalnum()

    @given(parts_of_cursors, st.data())
    def test_a_changed_cursor_is_refused_or_of_the_right_shape(
        self, parts: list[str | int], data: st.DataObject
    ) -> None:
        """Whoever plays with a cursor gets a refusal or another place, never a server error."""
        cursor = encode_cursor(*parts)
        start = data.draw(st.integers(0, len(cursor)))
        end = data.draw(st.integers(start, min(len(cursor), start + 3)))
        put = data.draw(st.one_of(st.text(max_size=3), st.text("abcABC019-_", max_size=3)))
        changed = cursor[:start] + put + cursor[end:]
        try:
            place = decode_cursor(changed, shape_of(parts))
        except InvalidValue:
            assert changed != cursor
        else:
            assert shape_of(list(place)) == shape_of(parts)
            assert encode_cursor(*place) == changed

    @given(st.one_of(st.text(max_size=80), st.text("abcdefWyIjXQ0123456789-_", max_size=80)))
    def test_any_text_is_a_cursor_or_refused(self, text: str) -> None:
        """No text ends in another exception."""
        with pytest.raises(InvalidValue, match=REFUSAL):
            decode_cursor(text, (str, int, str))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        )
    )
    def test_any_payload_is_a_cursor_or_refused(self, payload: object) -> None:
        """Neither is a well-made wrapping around something else; true is no 1, and 1.0 is none."""
        try:
            place = decode_cursor(by_hand(payload, ascii_only=True), (int,))
        except InvalidValue:
            return
        assert [*place] == payload
        assert type(place[0]) is int

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "W10=",
            " W10",
            "W10\n",
            "W1",
            "!!!",
            "\N{FULLWIDTH LATIN CAPITAL LETTER W}10",
            by_hand(["a", 1], space=" "),
            by_hand(["ä", 1], ascii_only=True),
            by_hand(["\ud800", 1], ascii_only=True),
            by_hand(["a\0", 1]),
            by_hand(["a", BIGINT]),
            by_hand(["a", -BIGINT - 1]),
            by_hand(["a", 10**300]),
            by_hand(["a", True]),
            by_hand(["a", 1.0]),
            by_hand(["a", None]),
            by_hand([["a"], 1]),
            by_hand({"a": 1}),
            by_hand("a1"),
            by_hand(["a"]),
            by_hand(["a", 1, 1]),
            by_hand([1, "a"]),
            by_hand(["a" * 400, 1]),
            urlsafe_b64encode(b"[" * 380).rstrip(b"=").decode(),
            urlsafe_b64encode(b'["\xff",1]').rstrip(b"=").decode(),
            "A" * 100_000,
        ],
        ids=lambda cursor: cursor[:24].encode("unicode_escape").decode(),
    )
    def test_a_forged_cursor_is_refused(self, cursor: str) -> None:
        """Only what an earlier answer held is read: one place has one spelling."""
        with pytest.raises(InvalidValue, match=REFUSAL):
            decode_cursor(cursor, (str, int))

    @given(parts_of_cursors.filter(bool))
    def test_a_cursor_of_another_list_is_refused(self, parts: list[str | int]) -> None:
        """A cursor whose parts have other types or another number belongs somewhere else."""
        cursor = encode_cursor(*parts)
        swapped = tuple(int if kind is str else str for kind in shape_of(parts))
        for shape in (swapped, (*shape_of(parts), str), shape_of(parts)[1:]):
            with pytest.raises(InvalidValue, match=REFUSAL):
                decode_cursor(cursor, shape)

    @pytest.mark.parametrize("part", [True, 1.5, None, b"a"])
    def test_only_text_and_integers_are_written(self, part: Any) -> None:
        """A cursor that could not be read back is an error where it is made."""
        with pytest.raises(TypeError, match="made of str and int"):
            encode_cursor(part)

    @pytest.mark.parametrize("part", ["a\0", "\ud800", BIGINT, -BIGINT - 1, "a" * 400])
    def test_what_could_not_be_read_back_is_not_written(self, part: str | int) -> None:
        """Every cursor that leaves the house is welcome when it comes back."""
        with pytest.raises(ValueError):  # noqa: PT011 - the words differ, the refusal does not
            encode_cursor(part)
