import httpx
import pytest
from fastapi import FastAPI
from tests.api.envelope import refusal_of
from tests.api.operations import OPERATIONS, Operation, example_body, subjects_of
from tests.conftest import NewSeller, Seller

WORDS = "invalid or missing bearer token"


def rank(scope: str) -> int:
    return ["none", "read", "write", "admin"].index(scope)


def needed_for(operation: Operation) -> str:
    """The rule of the contract: administration apart, one reads to read and writes to change."""
    if operation.path.startswith(("/api/v1/access-tokens", "/api/v1/audit")):
        return "admin"
    return "write" if operation.changes else "read"


async def ask(
    client: httpx.AsyncClient, app: FastAPI, operation: Operation, subjects: dict[str, str]
) -> httpx.Response:
    body = example_body(app, operation) if operation.body_schema else None
    return await client.request(operation.method, operation.at(**subjects), json=body)


async def total_of(seller: Seller) -> list[int]:
    return [
        (await seller.admin.get(path)).json()["meta"]["total"]
        for path in ("/customers", "/access-tokens")
    ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_no_operation_is_open_to_somebody_without_a_token(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """401 on every route, before anything is said of what is there."""
    response = await ask(seller.anonymous, app, operation, await subjects_of(seller))
    assert refusal_of(response, 401, "auth.unauthenticated") == WORDS
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_no_operation_takes_the_token_of_another_provider(
    new_seller: NewSeller, app: FastAPI, operation: Operation
) -> None:
    """A's administrator is nobody at B's address, with B's ids and with A's own."""
    a, b = await new_seller(), await new_seller()
    headers = {"Authorization": a.admin.headers["authorization"]}
    for subjects in (await subjects_of(a), await subjects_of(b)):
        before = await total_of(b)
        b.anonymous.headers.update(headers)
        response = await ask(b.anonymous, app, operation, subjects)
        assert refusal_of(response, 401, "auth.unauthenticated") == WORDS
        assert await total_of(b) == before


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.parameters], ids=str
)
async def test_every_id_of_another_provider_is_not_found(
    new_seller: NewSeller, app: FastAPI, operation: Operation
) -> None:
    """B's administrator gets 404 for whatever is A's, and changes nothing of it."""
    a, b = await new_seller(), await new_seller()
    subjects = await subjects_of(a)
    response = await ask(b.admin, app, operation, subjects)
    assert response.status_code == 404, response.text
    assert response.json()["error"]["code"].endswith(".not_found")
    assert (await a.reader.get(f"/customers/{subjects['customer_id']}")).status_code == 200
    token = await a.admin.get(f"/access-tokens/{subjects['token_id']}")
    assert token.json()["data"]["status"] == "active"


async def test_lists_show_ones_own_things_only(new_seller: NewSeller) -> None:
    """Neither another's customers nor tokens nor audit entries, filtered for or not."""
    a, b = await new_seller(), await new_seller()
    subjects = await subjects_of(a)
    external = {"name": "Ada", "email": "ada@example.com", "external_id": "shared"}
    await a.writer.post("/customers", json=external)
    for query in ("", "?search=Ada", "?external_id=shared", "?email=ada@example.com"):
        response = await b.reader.get(f"/customers{query}")
        assert response.json() == {"data": [], "meta": {"page": 1, "per_page": 50, "total": 0}}
    tokens = (await b.admin.get("/access-tokens")).json()["data"]
    assert subjects["token_id"] not in {str(token["id"]) for token in tokens}
    for query in ("", f"?subject_id={subjects['customer_id']}", "?action=customer.created"):
        entries = (await b.admin.get(f"/audit{query}")).json()["data"]
        assert not [entry for entry in entries if entry["subject"]["type"] == "customer"]
    assert (await b.writer.post("/customers", json=external)).status_code == 201


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_each_operation_needs_its_scope(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """A scope includes those before it; 403 says which one is needed and which one was sent."""
    needed = needed_for(operation)
    subjects = await subjects_of(seller)
    for scope, client in (
        ("read", seller.reader),
        ("write", seller.writer),
        ("admin", seller.admin),
    ):
        response = await ask(client, app, operation, subjects)
        if rank(scope) >= rank(needed):
            assert response.status_code not in {401, 403}, response.text
        else:
            assert refusal_of(response, 403, "auth.forbidden") == (
                f"this operation needs a token with the scope api:{needed}; "
                f"this one has api:{scope}"
            )
