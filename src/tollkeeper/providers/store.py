"""All SQL of providers, access tokens and the audit trail."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.kernel.ids import AccessTokenId, AuditEntryId
from tollkeeper.kernel.pages import Page, PageOf
from tollkeeper.kernel.scope import Permission, Scope
from tollkeeper.providers.model import AccessToken, AuditEntry, Provider
from tollkeeper.providers.tables import (
    access_token_of,
    access_tokens,
    audit_entries,
    provider_domains,
    providers,
)

# One writer a minute is enough to know when a token was last used, and nobody waits for it.
_TOUCH_TOKEN = text(
    """
    update access_tokens set last_used_at = :now
     where id = (select id from access_tokens
                  where provider_id = :provider_id and id = :id
                    and (last_used_at is null
                         or last_used_at < cast(:now as timestamptz) - interval '1 minute')
                    for update skip locked)
    """
)


async def touch_token(
    scope: Scope, db: AsyncConnection, token_id: AccessTokenId, now: datetime
) -> None:
    await db.execute(_TOUCH_TOKEN, {"provider_id": scope.provider_id, "id": token_id, "now": now})


async def insert_provider(scope: Scope, db: AsyncConnection, provider: Provider) -> None:
    await db.execute(
        providers.insert().values(
            id=scope.provider_id,
            slug=provider.slug,
            name=provider.name,
            created_at=provider.created_at,
        )
    )


async def insert_domain(scope: Scope, db: AsyncConnection, domain: str, now: datetime) -> None:
    await db.execute(
        provider_domains.insert().values(
            domain=domain, provider_id=scope.provider_id, created_at=now
        )
    )


async def delete_domain(scope: Scope, db: AsyncConnection, domain: str) -> bool:
    """Answers whether the domain was the provider's."""
    result = await db.execute(
        delete(provider_domains).where(
            provider_domains.c.provider_id == scope.provider_id, provider_domains.c.domain == domain
        )
    )
    return result.rowcount == 1


async def insert_token(
    scope: Scope,
    db: AsyncConnection,
    *,
    name: str,
    permission: Permission,
    secret_hash: bytes,
    created_at: datetime,
    expires_at: datetime | None,
) -> AccessToken:
    """Insert the token; the database numbers it."""
    result = await db.execute(
        access_tokens.insert()
        .values(
            provider_id=scope.provider_id,
            name=name,
            permission=permission,
            secret_hash=secret_hash,
            created_at=created_at,
            expires_at=expires_at,
        )
        .returning(access_tokens)
    )
    return access_token_of(result.mappings().one())


async def get_token(
    scope: Scope, db: AsyncConnection, token_id: AccessTokenId
) -> AccessToken | None:
    row = (
        (
            await db.execute(
                select(access_tokens).where(
                    access_tokens.c.provider_id == scope.provider_id, access_tokens.c.id == token_id
                )
            )
        )
        .mappings()
        .one_or_none()
    )
    return access_token_of(row) if row else None


async def list_tokens(scope: Scope, db: AsyncConnection, page: Page) -> PageOf[AccessToken]:
    mine = access_tokens.c.provider_id == scope.provider_id
    total = await db.scalar(select(func.count()).select_from(access_tokens).where(mine))
    rows = await db.execute(
        select(access_tokens)
        .where(mine)
        .order_by(access_tokens.c.id.desc())
        .limit(page.limit)
        .offset(page.offset)
    )
    return PageOf(tuple(map(access_token_of, rows.mappings())), total or 0, page)


async def revoke_token(
    scope: Scope, db: AsyncConnection, token_id: AccessTokenId, now: datetime
) -> bool:
    """Revoke it, if it is there and not yet revoked; answers whether this call did it."""
    result = await db.execute(
        update(access_tokens)
        .where(
            access_tokens.c.provider_id == scope.provider_id,
            access_tokens.c.id == token_id,
            access_tokens.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return result.rowcount == 1


async def insert_audit_entry(scope: Scope, db: AsyncConnection, entry: AuditEntry) -> None:
    await db.execute(
        audit_entries.insert().values(
            provider_id=scope.provider_id,
            id=entry.id,
            occurred_at=entry.occurred_at,
            actor_kind=entry.actor_kind,
            actor_id=entry.actor_id,
            action=entry.action,
            subject_type=entry.subject_type,
            subject_id=entry.subject_id,
            request_id=entry.request_id,
            changes=dict(entry.changes),
        )
    )


async def list_audit_entries(
    scope: Scope,
    db: AsyncConnection,
    *,
    before: AuditEntryId | None,
    limit: int,
    filters: dict[str, str],
) -> Sequence[AuditEntry]:
    """Newest first, at most `limit`; `filters` compare columns with what they must equal."""
    query = select(audit_entries).where(audit_entries.c.provider_id == scope.provider_id)
    if before is not None:
        query = query.where(audit_entries.c.id < before)
    for column, wanted in filters.items():
        query = query.where(audit_entries.c[column] == wanted)
    rows = await db.execute(query.order_by(audit_entries.c.id.desc()).limit(limit))
    return [_audit_entry(row) for row in rows.mappings()]


def _audit_entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(
        AuditEntryId(row["id"]),
        row["occurred_at"],
        row["actor_kind"],
        row["actor_id"],
        row["action"],
        row["subject_type"],
        row["subject_id"],
        row["request_id"],
        row["changes"],
    )
