"""The register of providers: what is known before there is a scope, and what the operator sees.

Together with migrations this is the only SQL of the program that is not bound to one provider.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.kernel.ids import ProviderId
from tollkeeper.providers.errors import PROVIDER_NOT_FOUND
from tollkeeper.providers.model import AccessToken, Provider
from tollkeeper.providers.tables import access_token_of, provider_domains, providers


class Identity(NamedTuple):
    """Who a request may be from: the provider of its host, and the token whose id it names."""

    provider: Provider
    token: AccessToken | None
    secret_hash: bytes | None


# The application may not read across providers; this function may, and answers one row at most.
_IDENTIFY = text("select * from identify(:slug, :domain, :token_id)")
_LOCK_REGISTRY = text("select pg_advisory_xact_lock(7243392150119)")


async def identify(
    db: AsyncConnection, *, slug: str | None, domain: str, token_id: int
) -> Identity | None:
    """The provider at this slug or domain, with its token of this id; None without a provider."""
    found = await db.execute(_IDENTIFY, {"slug": slug, "domain": domain, "token_id": token_id})
    row = found.mappings().one_or_none()
    if row is None:
        return None
    provider = Provider(
        ProviderId(row["provider_id"]),
        row["provider_slug"],
        row["provider_name"],
        row["provider_created_at"],
    )
    token = access_token_of(row) if row["id"] is not None else None
    return Identity(provider, token, row["secret_hash"])


async def lock_registry(operator: AsyncConnection) -> None:
    """Wait until nobody else holds this lock; hold it until the transaction ends."""
    await operator.execute(_LOCK_REGISTRY)


async def list_providers(operator: AsyncConnection) -> Sequence[Provider]:
    """All providers of this installation, oldest first, with their own domains."""
    domains = (
        select(func.array_agg(provider_domains.c.domain))
        .where(provider_domains.c.provider_id == providers.c.id)
        .scalar_subquery()
    )
    rows = await operator.execute(
        select(providers, domains.label("domains")).order_by(providers.c.created_at)
    )
    return [
        Provider(
            ProviderId(row["id"]),
            row["slug"],
            row["name"],
            row["created_at"],
            tuple(sorted(row["domains"] or ())),
        )
        for row in rows.mappings()
    ]


async def find_provider(operator: AsyncConnection, slug: str) -> Provider:
    """The provider with this slug. Raises providers.not_found."""
    row = (
        (await operator.execute(select(providers).where(providers.c.slug == slug)))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise PROVIDER_NOT_FOUND.error(f"there is no provider {slug!r}")
    return Provider(ProviderId(row["id"]), row["slug"], row["name"], row["created_at"])
