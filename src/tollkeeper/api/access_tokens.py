"""/access-tokens: what a provider's own back end authenticates with."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field

from tollkeeper.api.answers import answer, created, paged
from tollkeeper.api.documents import (
    ANY_ROUTE,
    READ_BODY,
    Answered,
    Body,
    NoFields,
    made,
    one,
    page_of,
    refusals,
)
from tollkeeper.api.fields import Instant, PageParameters, Text, WholeNumber
from tollkeeper.api.route import AdminReader, AdminWriter, ResourceRoute
from tollkeeper.kernel.clock import format_instant
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers import queries
from tollkeeper.providers.issue_access_token import issue_access_token
from tollkeeper.providers.model import AccessToken
from tollkeeper.providers.revoke_access_token import revoke_access_token

router = APIRouter(
    prefix="/access-tokens",
    tags=["access-tokens"],
    route_class=ResourceRoute,
    responses=refusals(*ANY_ROUTE),
)

_EXAMPLE: dict[str, Any] = {
    "id": 42,
    "name": "billing service",
    "scope": "api:write",
    "status": "active",
    "created_at": "2026-06-06T12:00:00Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
}
_EXAMPLE_ISSUED = {**_EXAMPLE, "token": "42|<secret>"}
TokenNumber = Annotated[
    WholeNumber, Path(ge=1, le=2**63 - 1, description="The number before the bar of the token.")
]


class NewAccessToken(Body):
    """A token to issue."""

    name: Text = Field(description="What it is for, so that one knows what to revoke.")
    scope: Permission = Field(description="Each scope includes the one before it.")
    expires_at: Instant | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "billing service", "scope": "api:write"}]}
    )


class AccessTokenView(Answered):
    """An access token, without its secret."""

    id: int
    name: str
    scope: Permission
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class IssuedAccessToken(AccessTokenView):
    """An access token with its secret, which appears here and nowhere else."""

    token: str = Field(description="`<id>|<secret>`, to be sent as `Authorization: Bearer`.")


@router.post(
    "",
    status_code=201,
    summary="Issue an access token",
    responses=made(
        IssuedAccessToken,
        _EXAMPLE_ISSUED,
        "Access token issued successfully; it is shown only this once",
    )
    | refusals(*READ_BODY),
)
async def issue(body: NewAccessToken, work: AdminWriter) -> Response:
    """Needs api:admin. The token works only at this provider's address."""
    token, text = await issue_access_token(
        work, name=body.name, permission=body.scope, expires_at=body.expires_at
    )
    return created(
        {**_describe(token, work.now), "token": text},
        "Access token issued successfully; it is shown only this once",
    )


@router.get("", summary="List access tokens", responses=page_of(AccessTokenView, _EXAMPLE))
async def list_(parameters: Annotated[PageParameters, Query()], work: AdminReader) -> Response:
    """Newest first, revoked ones included."""
    page = await queries.list_access_tokens(work, parameters.asked())
    return paged([_describe(token, work.now) for token in page.items], page)


@router.get(
    "/{token_id}", summary="Retrieve an access token", responses=one(AccessTokenView, _EXAMPLE)
)
async def retrieve(token_id: TokenNumber, work: AdminReader) -> Response:
    """Without its secret."""
    token = await queries.get_access_token(work, AccessTokenId(token_id))
    return answer(_describe(token, work.now))


@router.post(
    "/{token_id}/revoke",
    summary="Revoke an access token",
    responses=one(
        AccessTokenView, {**_EXAMPLE, "status": "revoked", "revoked_at": "2026-06-07T12:00:00Z"}
    )
    | refusals(*READ_BODY),
)
async def revoke(
    token_id: TokenNumber, work: AdminWriter, _body: NoFields | None = None
) -> Response:
    """From the answer on, the token is refused. A token cannot revoke itself (409)."""
    token = await revoke_access_token(work, AccessTokenId(token_id))
    return answer(_describe(token, work.now))


def _describe(token: AccessToken, now: datetime) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.permission,
        "status": token.status_at(now),
        "created_at": format_instant(token.created_at),
        "expires_at": token.expires_at and format_instant(token.expires_at),
        "revoked_at": token.revoked_at and format_instant(token.revoked_at),
        "last_used_at": token.last_used_at and format_instant(token.last_used_at),
    }
