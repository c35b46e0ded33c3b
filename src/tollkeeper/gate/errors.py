"""Errors of the hot path."""

from tollkeeper.kernel.errors import ErrorCode

OVERLOADED = ErrorCode(
    "gate.overloaded",
    503,
    "More requests are waiting than the server can settle in time.",
    "Nothing of this request was recorded. Send it again, with the same request_id, after the "
    "time in Retry-After.",
)
INSUFFICIENT = ErrorCode(
    "credits.insufficient",
    402,
    "The customer's credits do not cover this use.",
    "Nothing was recorded. `details` holds the balance and what was required; grant credits with "
    "`POST /api/v1/credits/grants`, and send the same request again.",
)
LIMIT_REACHED = ErrorCode(
    "usage.limit_reached",
    429,
    "The customer's plan does not allow more of this.",
    "Nothing was recorded. Send the request again when the limit has been raised or begins anew.",
)
REQUEST_ID_REUSED = ErrorCode(
    "usage.request_id_reused",
    409,
    "This request_id was used for another event.",
    "A request_id names one event for ever: send the same content to repeat it, and a new id for "
    "a new event.",
)
UNSTORABLE = ErrorCode(
    "usage.properties_unstorable",
    422,
    "The event's properties hold a value that the database cannot store.",
    "Numbers in properties must be within the range of PostgreSQL's numeric; send others as text.",
)
