"""Errors of the machine room: what the caller is told when the database is not at its best."""

from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tollkeeper.kernel.errors import CodedError, ErrorCode

DATABASE_UNAVAILABLE = ErrorCode(
    "service.database_unavailable",
    503,
    "The database cannot be reached.",
    "Nothing was recorded unless an earlier answer said so. Send the same request again, with the "
    "same Idempotency-Key or request_id, after the time in Retry-After.",
)
STORAGE_FULL = ErrorCode(
    "service.storage_full",
    503,
    "The database has no space left on its disk.",
    "Nothing of this request was recorded. The operator must free or add disk space; then send the "
    "same request again.",
)
BUSY = ErrorCode(
    "service.busy",
    503,
    "The service has more work than it can take just now.",
    "Nothing of this request was recorded. Send it again after the time in Retry-After.",
)
IDEMPOTENCY_KEY_REUSED = ErrorCode(
    "idempotency.key_reused",
    409,
    "This Idempotency-Key was already used for another request.",
    "Use a new key for a new request; send the same key only to repeat the very same request.",
)
IDEMPOTENCY_IN_FLIGHT = ErrorCode(
    "idempotency.in_flight",
    409,
    "The first request with this Idempotency-Key is still running.",
    "Wait a moment and send the same request again: it gets the first one's answer.",
)
IDEMPOTENCY_KEYS_DIFFER = ErrorCode(
    "idempotency.keys_differ",
    409,
    "The Idempotency-Key header and idempotency_key in the body are not the same.",
    "Send one of them, or the same in both.",
)
IDEMPOTENCY_KEY_INVALID = ErrorCode(
    "idempotency.key_invalid",
    422,
    "The Idempotency-Key cannot be used.",
    "Send 1 to 255 printable ASCII characters without spaces, a UUID for instance.",
)

_BUSY = (pg.LockNotAvailable, pg.QueryCanceled, pg.DeadlockDetected, pg.SerializationFailure)
_FULL = (pg.DiskFull, pg.OutOfMemory)


def coded(error: DBAPIError | PoolTimeoutError) -> CodedError | None:
    """The coded error that a failure of the database means for a caller, if it is a passing one."""
    if isinstance(error, PoolTimeoutError):
        return BUSY.error("all database connections are in use", retry_after_seconds=1)
    cause = error.orig
    words = str(cause)
    if isinstance(cause, _FULL):
        return STORAGE_FULL.error(
            "the database has no space left", private=words, retry_after_seconds=30
        )
    if isinstance(cause, _BUSY):
        return BUSY.error("the database is busy", private=words, retry_after_seconds=1)
    if isinstance(cause, pg.OperationalError) or error.connection_invalidated:
        return DATABASE_UNAVAILABLE.error(
            "the database cannot be reached", private=words, retry_after_seconds=1
        )
    return None
