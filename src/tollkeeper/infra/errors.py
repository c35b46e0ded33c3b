"""Errors of the machine room: what the caller is told when the database is not at its best."""

from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tollkeeper.kernel.errors import CodedError, ErrorCode

DATABASE_UNAVAILABLE = ErrorCode(
    "service.database_unavailable",
    503,
    "The database cannot be reached.",
    "The request may or may not have been recorded. Send it again after the time in Retry-After, "
    "with the same Idempotency-Key or request_id: then it counts once in either case.",
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


def violated_constraint(error: IntegrityError) -> str | None:
    """The name of the constraint that an insert or update ran against."""
    return getattr(getattr(error.orig, "diag", None), "constraint_name", None)


_BUSY = (
    pg.LockNotAvailable,
    pg.QueryCanceled,
    pg.DeadlockDetected,
    pg.SerializationFailure,
    pg.OutOfMemory,
)


def coded(error: DBAPIError | PoolTimeoutError) -> CodedError | None:
    """The coded error that a failure of the database means for a caller, if it is a passing one."""
    if isinstance(error, PoolTimeoutError):
        return BUSY.error("all database connections are in use", retry_after_seconds=1)
    return coded_cause(error.orig, connection_lost=error.connection_invalidated)


def coded_cause(cause: BaseException | None, *, connection_lost: bool = False) -> CodedError | None:
    """The same for what the driver raised."""
    words = str(cause)
    if isinstance(cause, pg.DiskFull):
        return STORAGE_FULL.error(
            "the database has no space left", private=words, retry_after_seconds=30
        )
    if isinstance(cause, _BUSY):
        return BUSY.error("the database is busy", private=words, retry_after_seconds=1)
    if isinstance(cause, pg.OperationalError) or connection_lost:
        return DATABASE_UNAVAILABLE.error(
            "the database cannot be reached", private=words, retry_after_seconds=1
        )
    return None
