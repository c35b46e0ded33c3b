"""Errors of credits."""

from tollkeeper.kernel.errors import ErrorCode

GRANT_EXPIRED = ErrorCode(
    "credits.grant_expired",
    409,
    "The grant would have expired before it could be spent.",
    "Send an expires_at in the future and after effective_at, or none for credits without an end.",
)
