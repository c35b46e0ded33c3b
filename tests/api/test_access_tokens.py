import re
from typing import Any

import pytest
from sqlalchemy import text
from tests.api.envelope import data_of, refusal_of
from tests.conftest import Seller, operate

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.clock import ManualClock

BODY = {"name": "billing service", "scope": "api:write"}
_TABLES = text(
    """
    select schemaname || '.' || tablename from pg_tables
     where schemaname in ('tollkeeper', 'procrastinate')
    """
)


async def issue(seller: Seller, **fields: Any) -> Any:
    return data_of(await seller.admin.post("/access-tokens", json={**BODY, **fields}), 201)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def calls_with(seller: Seller, token: str) -> int:
    return (await seller.anonymous.get("/customers", headers=bearer(token))).status_code


async def test_an_issued_token_works_and_is_shown_once(seller: Seller) -> None:
    """`<id>|<secret>` stands in the answer to its issue, and in no other."""
    response = await seller.admin.post("/access-tokens", json=BODY)
    token = data_of(response, 201)
    assert response.json()["meta"]["message"].startswith("Access token issued successfully")
    number, _, secret = token["token"].partition("|")
    assert number == str(token["id"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{40}", secret)
    assert token == {
        "id": int(number),
        **BODY,
        "status": "active",
        "created_at": "2026-06-06T12:00:00Z",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "token": token["token"],
    }
    assert await calls_with(seller, token["token"]) == 200
    for path in (f"/access-tokens/{number}", "/access-tokens", "/audit"):
        assert secret not in (await seller.admin.get(path)).text
    revoked = await seller.admin.post(f"/access-tokens/{number}/revoke")
    assert secret not in revoked.text
    assert "token" not in data_of(revoked)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "issue-1"}])
async def test_the_secret_is_nowhere_in_the_database(
    seller: Seller, runtime: Runtime, headers: dict[str, str]
) -> None:
    """Neither as text nor as bytes, in no column of any table, remembered answers included."""
    response = await seller.admin.post("/access-tokens", json=BODY, headers=headers)
    secret = data_of(response, 201)["token"].partition("|")[2]
    await seller.anonymous.get("/customers", headers=bearer(data_of(response, 201)["token"]))
    async with operate(runtime, seller.scope) as work:
        tables = (await work.db.execute(_TABLES)).scalars().all()
        assert "tollkeeper.idempotency_keys" in tables
        assert "procrastinate.procrastinate_jobs" in tables
        for table in tables:
            for needle in (secret, secret.encode().hex(), headers.get("Idempotency-Key", secret)):
                found = await work.db.scalar(
                    text(f"select count(*) from {table} t where strpos(t::text, :needle) > 0"),
                    {"needle": needle},
                )
                assert found == 0, table


async def test_tokens_are_listed_newest_first_with_the_revoked_and_the_expired(
    seller: Seller, clock: ManualClock
) -> None:
    """One sees at a glance which could still be used."""
    expiring = await issue(seller, name="expiring", expires_at="2026-06-06T12:00:30Z")
    revoked = await issue(seller, name="revoked")
    await seller.admin.post(f"/access-tokens/{revoked['id']}/revoke")
    clock.advance(30)
    response = await seller.admin.get("/access-tokens", params={"per_page": 2})
    assert [(token["id"], token["status"]) for token in data_of(response)] == [
        (revoked["id"], "revoked"),
        (expiring["id"], "expired"),
    ]
    assert response.json()["meta"] == {"page": 1, "per_page": 2, "total": 5}


async def test_a_token_expires_by_the_clock(seller: Seller, clock: ManualClock) -> None:
    """Until the instant it names, not at it."""
    token = await issue(seller, expires_at="2026-06-06T15:00:00.5+02:00")
    assert token["expires_at"] == "2026-06-06T13:00:00.500Z"
    clock.advance(3_600)
    assert await calls_with(seller, token["token"]) == 200
    clock.advance(1)
    response = await seller.anonymous.get("/customers", headers=bearer(token["token"]))
    message = refusal_of(response, 401, "auth.unauthenticated")
    assert message == "invalid or missing bearer token"


@pytest.mark.parametrize("expires_at", ["2027-01-01", "tomorrow", 1_800_000_000, "", []])
async def test_what_is_no_time_is_no_expiry(seller: Seller, expires_at: Any) -> None:
    """The message shows what a time looks like."""
    body = {**BODY, "expires_at": expires_at}
    response = await seller.admin.post("/access-tokens", json=body)
    message = refusal_of(response, 422, "access_tokens.expires_at_invalid")
    assert message.startswith("expires_at must be an RFC 3339 time with an offset such as ")


@pytest.mark.parametrize("expires_at", ["2026-06-06T12:00:00Z", "2020-01-01T00:00:00+14:00"])
async def test_no_token_is_issued_that_has_expired(seller: Seller, expires_at: str) -> None:
    """A time that has passed is a mistake, found now and not at the first call."""
    body = {**BODY, "expires_at": expires_at}
    response = await seller.admin.post("/access-tokens", json=body)
    message = refusal_of(response, 422, "access_tokens.expires_at_invalid")
    assert message == "expires_at must be in the future"


async def test_a_revoked_token_is_refused_from_the_answer_on(
    seller: Seller, clock: ManualClock
) -> None:
    """Revoking it again changes nothing: it was revoked when it was revoked."""
    token = await issue(seller)
    path = f"/access-tokens/{token['id']}"
    assert await calls_with(seller, token["token"]) == 200
    first = data_of(await seller.admin.post(f"{path}/revoke"))
    assert (first["status"], first["revoked_at"]) == ("revoked", "2026-06-06T12:00:00Z")
    response = await seller.anonymous.get("/customers", headers=bearer(token["token"]))
    message = refusal_of(response, 401, "auth.unauthenticated")
    assert message == "invalid or missing bearer token"
    clock.advance(60)
    assert data_of(await seller.admin.post(f"{path}/revoke", json={})) == first
    assert data_of(await seller.admin.get(path)) == first
    entries = data_of(await seller.admin.get("/audit", params={"action": "access_token.revoked"}))
    assert [entry["subject"]["id"] for entry in entries] == [str(token["id"])]


async def test_last_use_is_shown(seller: Seller, clock: ManualClock) -> None:
    """One sees which token may go."""
    token = await issue(seller)
    clock.advance(5)
    assert await calls_with(seller, token["token"]) == 200
    shown = data_of(await seller.admin.get(f"/access-tokens/{token['id']}"))
    assert shown["last_used_at"] == "2026-06-06T12:00:05Z"


async def test_a_token_cannot_revoke_itself(seller: Seller) -> None:
    """Nobody locks themselves out by mistake."""
    number = seller.admin.headers["authorization"].split()[1].partition("|")[0]
    response = await seller.admin.post(f"/access-tokens/{number}/revoke")
    refusal_of(response, 409, "access_tokens.own_token")
    assert data_of(await seller.admin.get(f"/access-tokens/{number}"))["status"] == "active"


@pytest.mark.parametrize("number", [1_000_000_000, 2**63 - 1])
async def test_a_token_that_is_not_there_is_not_found(seller: Seller, number: int) -> None:
    """404 names the number."""
    response = await seller.admin.get(f"/access-tokens/{number}")
    message = refusal_of(response, 404, "access_tokens.not_found")
    assert message == f"there is no access token {number}"


@pytest.mark.parametrize("number", ["0", "-1", "x", "1_0", "1.0", "%2B1", "9" * 30, str(2**63)])
async def test_a_number_that_no_token_has_is_refused(seller: Seller, number: str) -> None:
    """422 names the parameter."""
    for response in (
        await seller.admin.get(f"/access-tokens/{number}"),
        await seller.admin.post(f"/access-tokens/{number}/revoke"),
    ):
        message = refusal_of(response, 422, "request.token_id_invalid")
        assert message.startswith("token_id must be ")
