from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollkeeper.kernel.clock import (
    Clock,
    ManualClock,
    SystemClock,
    format_instant,
    parse_instant,
)
from tollkeeper.kernel.errors import InvalidValue

START = datetime(2026, 1, 31, tzinfo=UTC)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(timezones=st.just(UTC))
# A day from either end of the calendar, so that every offset leaves a year that exists.
inner_times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001


class TestClocks:
    @pytest.mark.parametrize("clock", [SystemClock(), ManualClock(START)])
    def test_now_is_in_utc(self, clock: Clock) -> None:
        """Whatever clock is passed in, its instants can be compared and stored as they are."""
        assert clock.now().tzinfo is UTC

    def test_a_manual_clock_stands_still(self) -> None:
        """A test reads the same time twice."""
        clock = ManualClock(START)
        assert clock.now() == clock.now() == START

    def test_a_manual_clock_is_pushed(self) -> None:
        """A year of billing passes in a moment, by seconds, by a timedelta or to an instant."""
        clock = ManualClock(START)
        clock.advance(90)
        assert clock.now() == START + timedelta(seconds=90)
        clock.advance(timedelta(days=1, microseconds=1))
        assert clock.now() == START + timedelta(days=1, seconds=90, microseconds=1)
        clock.move_to(datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
        assert clock.now() == datetime(2027, 1, 1, tzinfo=UTC)
        assert clock.now().tzinfo is UTC

    @given(st.lists(st.one_of(st.integers(-(10**6), 10**6), st.timedeltas(), instants)))
    def test_a_manual_clock_never_goes_back(self, pushes: list[int | timedelta | datetime]) -> None:
        """History is written once: a refused push leaves the clock where it was."""
        clock = ManualClock(START)
        for push in pushes:
            before = clock.now()
            try:
                clock.move_to(push) if isinstance(push, datetime) else clock.advance(push)
            except (ValueError, OverflowError):
                assert clock.now() == before
            assert clock.now() >= before

    @pytest.mark.parametrize("step", [-1, timedelta(microseconds=-1)])
    def test_a_step_back_is_refused(self, step: int | timedelta) -> None:
        """Even a microsecond."""
        with pytest.raises(ValueError, match="cannot go back"):
            ManualClock(START).advance(step)

    def test_standing_still_is_no_step_back(self) -> None:
        """Advancing to the present is a repeated request, not a mistake."""
        clock = ManualClock(START)
        clock.advance(0)
        clock.move_to(START)
        assert clock.now() == START

    def test_a_time_without_offset_is_refused(self) -> None:
        """A naive time is somebody's guess at a time zone."""
        naive = datetime(2026, 1, 31)  # noqa: DTZ001
        with pytest.raises(ValueError, match="needs an offset"):
            ManualClock(naive)
        with pytest.raises(ValueError, match="needs an offset"):
            ManualClock(START).move_to(naive)


class TestFormatInstant:
    @pytest.mark.parametrize(
        ("microsecond", "text"),
        [
            (0, "2026-01-31T00:00:00Z"),
            (120_000, "2026-01-31T00:00:00.120Z"),
            (1_000, "2026-01-31T00:00:00.001Z"),
            (1, "2026-01-31T00:00:00.000001Z"),
        ],
    )
    def test_a_fraction_shows_only_where_there_is_one(self, microsecond: int, text: str) -> None:
        """Whole seconds stay short; three or six digits is what other readers know."""
        assert format_instant(START.replace(microsecond=microsecond)) == text

    def test_early_years_have_four_digits(self) -> None:
        """RFC 3339 wants them, although the C library leaves them out."""
        assert format_instant(datetime(33, 4, 3, tzinfo=UTC)) == "0033-04-03T00:00:00Z"

    @given(inner_times, offsets)
    def test_one_instant_has_one_text(self, time: datetime, offset: timezone) -> None:
        """The place where a time was taken never shows in the contract's times."""
        there = time.replace(tzinfo=offset)
        assert format_instant(there) == format_instant(there.astimezone(UTC))

    @pytest.mark.parametrize(
        "instant",
        [
            datetime(2026, 1, 31),  # noqa: DTZ001
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-1))),
        ],
    )
    def test_a_time_that_is_no_instant_is_refused(self, instant: datetime) -> None:
        """Neither a guessed zone nor a year that does not exist is ever written."""
        with pytest.raises(ValueError, match="an instant"):
            format_instant(instant)


class TestParseInstant:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-01-31T00:00:00Z", START),
            ("2026-01-31t00:00:00z", START),
            ("2026-01-31T05:30:00+05:30", START),
            ("2026-01-30T16:00:00-08:00", START),
            ("2026-01-31T00:00:00-00:00", START),
            ("2026-01-31T00:00:00.1Z", START.replace(microsecond=100_000)),
            ("2026-01-31T00:00:00.000001999Z", START.replace(microsecond=1)),
            ("2026-01-31T00:00:00.999999999Z", START.replace(microsecond=999_999)),
            ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
            ("0001-01-01T00:00:00Z", datetime.min.replace(tzinfo=UTC)),
            ("9999-12-31T23:59:59.999999999Z", datetime.max.replace(tzinfo=UTC)),
            ("0000-12-31T23:00:00-01:00", None),
            ("0001-01-01T00:59:59+01:00", None),
            ("9999-12-31T23:00:00-01:00", None),
        ],
    )
    def test_every_time_of_the_standard_is_read(self, text: str, instant: datetime | None) -> None:
        """To the microsecond, in UTC; a time outside the calendar is refused, not an overflow."""
        if instant is None:
            with pytest.raises(InvalidValue):
                parse_instant(text)
        else:
            assert parse_instant(text) == instant
            assert parse_instant(text).tzinfo is UTC

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "now",
            "2026-01-31",
            "2026-01-31T00:00:00",
            "2026-01-31 00:00:00Z",
            "2026-01-31T00:00Z",
            "20260131T000000Z",
            "2026-W05-6T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-01-31T00:00:00.Z",
            "2026-01-31T00:00:00,5Z",
            "2026-01-31T00:00:00.0000000001Z",
            "2026-01-31T00:00:00+0100",
            "2026-01-31T00:00:00+01",
            "2026-01-31T00:00:00+24:00",
            "2026-01-31T00:00:00+01:60",
            "2026-01-31T00:00:00+01:00:00",
            "2026-01-31T00:00:00 Z",
            "2026-01-31T00:00:00Z\n",
            "\N{FULLWIDTH DIGIT TWO}026-01-31T00:00:00Z",
            "-2026-01-31T00:00:00Z",
            "12026-01-31T00:00:00Z",
            "1" * 5000,
        ],
    )
    def test_everything_else_is_refused_in_words_that_help(self, text: str) -> None:
        """No time zone, calendar or century is ever guessed."""
        words = r"^must be an RFC 3339 time with an offset such as '2026-01-31T00:00:00Z'$"
        with pytest.raises(InvalidValue, match=words):
            parse_instant(text)

    @given(instants)
    @example(datetime.min.replace(tzinfo=UTC))
    @example(datetime.max.replace(tzinfo=UTC))
    def test_what_is_written_is_read_back(self, instant: datetime) -> None:
        """A time survives every trip through the contract, to the microsecond."""
        assert parse_instant(format_instant(instant)) == instant

    @given(inner_times, offsets)
    def test_any_offset_names_the_same_instant(self, time: datetime, offset: timezone) -> None:
        """Callers may write their own zone's time."""
        there = time.replace(tzinfo=offset)
        assert parse_instant(there.isoformat()) == there

    @given(
        st.one_of(
            st.text(max_size=40),
            st.text("0123456789-:.TZ+", max_size=35),
            st.builds(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{}{:02}:{:02}".format,
                *map(st.integers, [0] * 6, [9999, 13, 32, 25, 61, 61]),
                st.sampled_from(["", ".", ".5", ".123456789", ".1234567890"]),
                st.sampled_from("+-"),
                *map(st.integers, [0] * 2, [25, 61]),
            ),
        )
    )
    def test_any_text_is_an_instant_or_refused(self, text: str) -> None:
        """No text ends in another exception."""
        try:
            instant = parse_instant(text)
        except InvalidValue:
            return
        assert instant.tzinfo is UTC
