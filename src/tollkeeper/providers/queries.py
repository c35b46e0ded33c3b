"""Reads of access tokens and of the audit trail."""

from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import AccessTokenId, AuditEntryId
from tollkeeper.kernel.pages import CursorPage, Page, PageOf
from tollkeeper.providers import store
from tollkeeper.providers.errors import ACCESS_TOKEN_NOT_FOUND
from tollkeeper.providers.model import AccessToken, AuditEntry


async def get_access_token(work: UnitOfWork, token_id: AccessTokenId) -> AccessToken:
    """Raises access_tokens.not_found."""
    token = await store.get_token(work.scope, work.db, token_id)
    if token is None:
        raise ACCESS_TOKEN_NOT_FOUND.error(f"there is no access token {token_id}")
    return token


async def list_access_tokens(work: UnitOfWork, page: Page) -> PageOf[AccessToken]:
    """Newest first."""
    return await store.list_tokens(work.scope, work.db, page)


async def list_audit_entries(
    work: UnitOfWork, *, before: AuditEntryId | None, limit: int, filters: dict[str, str]
) -> CursorPage[AuditEntry]:
    """Newest first, those before the given one; filters compare columns."""
    entries = await store.list_audit_entries(
        work.scope, work.db, before=before, limit=limit + 1, filters=filters
    )
    shown = tuple(entries[:limit])
    more = len(entries) > limit
    return CursorPage(shown, str(shown[-1].id) if more else None)
