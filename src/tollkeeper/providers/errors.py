"""Errors of providers and access tokens."""

from tollkeeper.kernel.errors import ErrorCode

UNAUTHENTICATED = ErrorCode(
    "auth.unauthenticated",
    401,
    "The request carries no bearer token that is valid at this address.",
    "Send `Authorization: Bearer <id>|<secret>` with a token of the provider that this host name "
    "belongs to. A token works only at its own provider's address, and only until it is revoked "
    "or expires.",
)
FORBIDDEN = ErrorCode(
    "auth.forbidden",
    403,
    "The token is valid, but its scope does not cover this operation.",
    "Use a token with the scope that the message names: api:admin includes api:write, which "
    "includes api:read.",
)
UNKNOWN_HOST = ErrorCode(
    "providers.unknown_host",
    404,
    "No provider answers at this host name.",
    "Use `<provider>.<base domain>` or a domain of the provider's own. The operator adds one with "
    "`tollkeeper providers add-domain`, and base domains with TOLLKEEPER_BASE_DOMAINS.",
)
PROVIDER_NOT_FOUND = ErrorCode(
    "providers.not_found",
    404,
    "There is no such provider.",
    "`tollkeeper providers list` shows those that exist.",
)
PROVIDER_EXISTS = ErrorCode(
    "providers.slug_taken",
    409,
    "Another provider has this slug.",
    "Choose another one.",
)
DOMAIN_TAKEN = ErrorCode(
    "providers.domain_taken",
    409,
    "This domain already belongs to a provider.",
    "A domain leads to exactly one provider. Choose another one.",
)
OWN_ACCESS_TOKEN = ErrorCode(
    "access_tokens.own_token",
    409,
    "A token cannot revoke itself.",
    "Issue another api:admin token, and revoke this one with it: so nobody locks themselves out. "
    "Without one, `tollkeeper tokens issue` helps.",
)
TOKEN_EXPIRED_AT_BIRTH = ErrorCode(
    "access_tokens.expires_at_invalid",
    422,
    "The time at which the token is to expire is not a time, or has passed.",
    "Send a time in the future, or none for a token without an end.",
)
ACCESS_TOKEN_NOT_FOUND = ErrorCode(
    "access_tokens.not_found",
    404,
    "This provider has no access token with this id.",
    "`GET /api/v1/access-tokens` lists them.",
)
