"""Errors of customers."""

from tollkeeper.kernel.errors import ErrorCode

CUSTOMER_NOT_FOUND = ErrorCode(
    "customers.not_found",
    404,
    "This provider has no customer with this id or external id.",
    "`GET /api/v1/customers?search=` finds customers by name, e-mail and external id.",
)
EXTERNAL_ID_TAKEN = ErrorCode(
    "customers.external_id_taken",
    409,
    "Another customer of this provider has this external id.",
    "Use the customer that is there (`GET /api/v1/customers/{external_id}`), or another id.",
)
METADATA_INVALID = ErrorCode(
    "customers.metadata_invalid",
    422,
    "The customer's metadata is not a JSON object, or has more in it than it may.",
    "It takes 50 keys of 1 to 100 characters, and 16 KiB as JSON, what is there already included. "
    "A key is removed by a change that sets it to null.",
)
CUSTOMER_HAS_HISTORY = ErrorCode(
    "customers.has_history",
    409,
    "Usage, credits, subscriptions or invoices of this customer exist, and history never changes.",
    "Keep the customer: revoke their keys and cancel their subscriptions instead.",
)
