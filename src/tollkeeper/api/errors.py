"""Errors of the HTTP face itself; every domain has its own."""

from tollkeeper.kernel.errors import ErrorCode

MALFORMED_JSON = ErrorCode(
    "request.malformed_json",
    400,
    "The request body is not well-formed JSON in UTF-8.",
    "Check the body with a JSON validator at the position that the message names.",
)
INCOMPLETE_BODY = ErrorCode(
    "request.incomplete_body",
    400,
    "The connection ended before the whole request body had arrived.",
    "Send all of the body, as many bytes as `Content-Length` says. Nothing was recorded.",
)
UNSUPPORTED_MEDIA_TYPE = ErrorCode(
    "request.unsupported_media_type",
    415,
    "The body's media type or content coding is not one that this route reads.",
    "Send JSON, with the header `Content-Type: application/json` and not compressed.",
)
TOO_LARGE = ErrorCode(
    "request.too_large",
    413,
    "The request body is larger than this route takes.",
    "Split the request. The operator can raise the limit with TOLLKEEPER_MAX_BODY_BYTES.",
)
ADDRESS_INVALID = ErrorCode(
    "request.address_invalid",
    422,
    "The path or the query string is not UTF-8.",
    "Encode text as UTF-8 before percent-encoding it: `é` is `%C3%A9`, not `%E9`.",
)
TOO_SLOW = ErrorCode(
    "request.too_slow",
    408,
    "The request's body did not arrive in time.",
    "Nothing was done. Send the request again over a better connection, or in smaller pieces.",
)
UNKNOWN_PATH = ErrorCode(
    "request.unknown_path",
    404,
    "Nothing is at this path.",
    "Compare the path with `/api/reference`; routes begin with `/api/v1` and have no final slash.",
)
METHOD_NOT_ALLOWED = ErrorCode(
    "request.method_not_allowed",
    405,
    "The path exists, but not with this method.",
    "The `Allow` header names the methods that the path answers to.",
)
BODY_REQUIRED = ErrorCode(
    "request.body_required",
    422,
    "The request has no body, and this route needs one.",
    "Send the body that `/api/reference` shows for this route.",
)
BODY_INVALID = ErrorCode(
    "request.body_invalid",
    422,
    "The body is JSON, but not of the kind that this route reads.",
    "Send a JSON object, as `/api/reference` shows it.",
)
UNKNOWN_FIELD = ErrorCode(
    "request.unknown_field",
    422,
    "The body has a field that this route does not know.",
    "Remove the field, or correct its name: `/api/reference` lists those that are known.",
)
UNKNOWN_PARAMETER = ErrorCode(
    "request.unknown_parameter",
    422,
    "The query string has a parameter that this route does not know.",
    "Remove it, or correct its name: an ignored filter would answer more than was asked for.",
)
INTERNAL = ErrorCode(
    "service.internal_error",
    500,
    "Something failed that should not have.",
    "Try again with the same Idempotency-Key or request_id, so that it counts once in any case; "
    "if it persists, report it with the X-Request-Id of the answer.",
)
NOT_READY = ErrorCode(
    "service.not_ready",
    503,
    "The service is running, but not all of it.",
    "The message says what is missing: the database, or a job worker.",
)
