"""Revoke an access token: from the commit on it is refused."""

from tollkeeper.infra.notifications import notify
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.scope import Actor
from tollkeeper.providers import audit, queries, store
from tollkeeper.providers.errors import OWN_ACCESS_TOKEN
from tollkeeper.providers.model import AccessToken
from tollkeeper.providers.remembered_tokens import ACCESS_TOKEN_CHANGED


async def revoke_access_token(work: UnitOfWork, token_id: AccessTokenId) -> AccessToken:
    """Revoke it; a token that is already revoked stays as it is.

    Raises access_tokens.not_found and access_tokens.own_token.
    """
    token = await queries.get_access_token(work, token_id)
    if work.actor == Actor("access_token", str(token_id)):
        raise OWN_ACCESS_TOKEN.error("a token cannot revoke itself; use another one")
    if not await store.revoke_token(work.scope, work.db, token_id, work.now):
        return token
    await notify(work, ACCESS_TOKEN_CHANGED, token_id)
    await audit.record(
        work, "access_token.revoked", subject_type="access_token", subject_id=token_id
    )
    return await queries.get_access_token(work, token_id)
