"""Who is calling: the provider by its host name, the caller by an access token of that provider."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.infra.database import enter_scope
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.scope import Permission, Scope
from tollkeeper.providers import store
from tollkeeper.providers.errors import FORBIDDEN, UNAUTHENTICATED, UNKNOWN_HOST
from tollkeeper.providers.model import Provider, parse_credential, secret_matches
from tollkeeper.providers.registry import identify

DEFAULT_PROVIDER = "default"
_TOUCH_AFTER = timedelta(minutes=1)
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:]+))(?::[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: which provider, with which token, allowed to do what."""

    provider: Provider
    token_id: AccessTokenId
    permission: Permission
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.provider.id)


async def authenticate(
    db: AsyncConnection,
    *,
    host: str,
    authorization: str | None,
    base_domains: Sequence[str],
    now: datetime,
) -> Principal:
    """The caller behind a `Host` and an `Authorization` header; `db` is in their scope thereafter.

    Raises providers.unknown_host, or auth.unauthenticated with the same words whatever is wrong
    with the token: absent, malformed, unknown, another provider's, revoked or expired.
    """
    slug, domain = provider_name(host, base_domains)
    scheme, _, value = (authorization or "").partition(" ")
    credential = parse_credential(value.strip()) if scheme.lower() == "bearer" else None
    found = await identify(
        db, slug=slug, domain=domain, token_id=credential.token_id if credential else -1
    )
    if found is None:
        raise UNKNOWN_HOST.error(f"no provider answers at the host {domain[:255]!r}")
    if credential is None or found.token is None or found.secret_hash is None:
        raise _unauthenticated()
    token = found.token
    matches = secret_matches(credential.secret, found.secret_hash)
    if not matches or token.status_at(now) != "active":
        raise _unauthenticated()
    principal = Principal(
        found.provider, token.id, token.permission, token.expires_at, token.last_used_at
    )
    await enter_scope(principal.scope, db)
    return principal


async def note_use(db: AsyncConnection, principal: Principal, now: datetime) -> None:
    """Write down that the token was used, once a minute.

    To be called last in a transaction: the row is locked from here to the commit, and a revocation
    must not wait for whatever else a request does.
    """
    last = principal.last_used_at
    if last is None or now - last > _TOUCH_AFTER:
        await store.touch_token(principal.scope, db, principal.token_id, now)


def require(principal: Principal, needed: Permission) -> None:
    """Raise auth.forbidden unless the caller's scope covers this one."""
    if not principal.permission.allows(needed):
        raise FORBIDDEN.error(
            f"this operation needs a token with the scope {needed}; this one has "
            f"{principal.permission}"
        )


def provider_name(host: str, base_domains: Sequence[str]) -> tuple[str | None, str]:
    """Split a `Host` header into the provider's slug (None for a domain of its own) and the name.

    A base domain itself, and any IP address, is the provider `default`.
    """
    domain = _without_port(host).lower().rstrip(".")
    if _is_address(domain) or domain in base_domains:
        return DEFAULT_PROVIDER, domain
    for base in base_domains:
        label = domain.removesuffix(f".{base}")
        if label != domain:
            return label, domain
    return None, domain


def _without_port(host: str) -> str:
    match = _HOST.fullmatch(host)
    return (match["v6"] or match["name"]) if match else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _unauthenticated() -> CodedError:
    return UNAUTHENTICATED.error("invalid or missing bearer token")
