"""Issue an access token: its secret is known in this moment only."""

from datetime import datetime

from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.clock import format_instant
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers import audit, store
from tollkeeper.providers.errors import TOKEN_EXPIRED_AT_BIRTH
from tollkeeper.providers.model import AccessToken, hash_secret, new_secret


async def issue_access_token(
    work: UnitOfWork, *, name: str, permission: Permission, expires_at: datetime | None = None
) -> tuple[AccessToken, str]:
    """Create a token of the scope's provider; answers it with the text `<id>|<secret>`.

    Raises access_tokens.expires_at_invalid.
    """
    if expires_at is not None and expires_at <= work.now:
        sentence = "expires_at must be in the future"
        detail = {"field": "expires_at", "code": TOKEN_EXPIRED_AT_BIRTH.code, "message": sentence}
        raise TOKEN_EXPIRED_AT_BIRTH.error(sentence, details=[detail])
    secret = new_secret()
    token = await store.insert_token(
        work.scope,
        work.db,
        name=name,
        permission=permission,
        secret_hash=hash_secret(secret),
        created_at=work.now,
        expires_at=expires_at,
    )
    await audit.record(
        work,
        "access_token.issued",
        subject_type="access_token",
        subject_id=token.id,
        changes={
            "name": name,
            "permission": permission,
            "expires_at": format_instant(expires_at) if expires_at else None,
        },
    )
    return token, f"{token.id}|{secret}"
