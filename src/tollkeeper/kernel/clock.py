"""Instants: who says what time it is, and how times are read and written (RFC 3339).

An instant is an aware `datetime` in UTC with microseconds.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tollkeeper.kernel.errors import InvalidValue

_RFC_3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(\.(?P<fraction>[0-9]{1,9}))?"
    r"([Zz]|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9]))"
)


class Clock(Protocol):
    """Whoever needs the time is given a clock; nobody reads one on the side."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is pushed, and is only ever pushed forward.

    `start` is any aware time; a naive one raises ValueError.
    """

    def __init__(self, start: datetime) -> None:
        self._now = _in_utc(start)

    def now(self) -> datetime:
        return self._now

    def advance(self, step: int | timedelta) -> None:
        """Push the clock by so many seconds, or by a timedelta; less than 0 raises ValueError."""
        self.move_to(self._now + (step if isinstance(step, timedelta) else timedelta(seconds=step)))

    def move_to(self, instant: datetime) -> None:
        """Push the clock to an instant, its present one included; an earlier raises ValueError."""
        target = _in_utc(instant)
        if target < self._now:
            raise ValueError(
                f"the clock stands at {format_instant(self._now)} "
                f"and cannot go back to {format_instant(target)}"
            )
        self._now = target


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`; three or six digits of fraction where one is needed, else none.

    Raises ValueError for a naive time.
    """
    utc = _in_utc(instant)
    if utc.microsecond == 0:
        precision = "seconds"
    elif utc.microsecond % 1000 == 0:
        precision = "milliseconds"
    else:
        precision = "microseconds"
    return utc.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time (section 5.6) with its offset, as an instant in UTC.

    Digits beyond microseconds are cut off. Raises InvalidValue for anything else: also for a leap
    second and for an offset that leaves the years 0001 to 9999, since neither has a datetime.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise _unreadable()
    try:
        local = datetime.fromisoformat(f"{match['date']}T{match['time']}+00:00")
        return local + _fraction(match) - _offset(match)
    except (ValueError, OverflowError):
        raise _unreadable() from None


def _fraction(match: re.Match[str]) -> timedelta:
    digits = match["fraction"] or "0"
    return timedelta(microseconds=int(digits[:6].ljust(6, "0")))


def _offset(match: re.Match[str]) -> timedelta:
    if match["sign"] is None:
        return timedelta(0)
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return -offset if match["sign"] == "-" else offset


def _unreadable() -> InvalidValue:
    return InvalidValue("must be an RFC 3339 time with an offset such as '2026-01-31T00:00:00Z'")


def _in_utc(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise ValueError("an instant needs an offset from UTC, this time has none")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant lies in the years 0001 to 9999, in UTC") from None
