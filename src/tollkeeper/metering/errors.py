"""Errors of usage events."""

from tollkeeper.kernel.errors import ErrorCode

TOO_MANY_EVENTS = ErrorCode(
    "usage.too_many_events",
    422,
    "The request holds more events than are taken at once.",
    "Send at most 10,000 events in one request; `request_id` makes it safe to split and to repeat.",
)
