from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.api.envelope import refusal_of
from tests.api.operations import OPERATIONS, Operation, subjects_of
from tests.conftest import Seller

PATHS: dict[str, list[Operation]] = {}
for _operation in OPERATIONS:
    PATHS.setdefault(_operation.path, []).append(_operation)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/customers/",
        "//customers",
        "/customers/a/b",
        "/Customers",
        "/../v1",
        "/customers;x=1",
        "/customers%2F",
        "/customers.json",
        "/%00",
        "/" + "x" * 5_000,
    ],
)
async def test_an_unknown_path_is_said_to_be_one(seller: Seller, path: str) -> None:
    """404 in the envelope, with the path; a final slash leads nowhere and is not redirected."""
    response = await seller.admin.get(path)
    assert response.url.path.startswith("/api/v1")
    message = refusal_of(response, 404, "request.unknown_path")
    assert message.startswith("nothing is at /api/v1")
    assert len(message) < 300


@pytest.mark.parametrize("path", ["/api/v2/customers", "/customers", "/api", "/favicon.ico"])
async def test_elsewhere_on_the_host_errors_look_the_same(seller: Seller, path: str) -> None:
    """The envelope is not the privilege of /api/v1."""
    root = str(seller.anonymous.base_url.join("/"))
    response = await seller.anonymous.get(f"{root.rstrip('/')}{path}")
    refusal_of(response, 404, "request.unknown_path")


@pytest.mark.parametrize("path", PATHS)
async def test_a_wrong_method_is_told_the_right_ones(seller: Seller, path: str) -> None:
    """405, and every method that the path answers to in `Allow` and in words."""
    known = {operation.method for operation in PATHS[path]}
    known |= {"HEAD"} if "GET" in known else set()
    target = PATHS[path][0].at(**await subjects_of(seller))
    for method in {"HEAD", "OPTIONS", "TRACE", "PUT", "POST", "DELETE", "BREW"} - known:
        response = await seller.admin.request(method, target)
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == known
        if method != "HEAD":
            message = refusal_of(response, 405, "request.method_not_allowed")
            assert message.startswith(f"{method} is not allowed here; this path answers to ")


async def test_every_errors_docs_lead_to_a_page_that_explains_it(seller: Seller) -> None:
    """The address works as it stands, and the page names the code and the status."""
    body = {"name": "Ada", "email": "ada@example.com", "external_id": "x"}
    key = {"Idempotency-Key": "k"}
    await seller.writer.post("/customers", json=body, headers=key)
    responses = [
        await seller.writer.post("/customers", json=body),
        await seller.writer.post("/customers", json={**body, "name": "Eve"}, headers=key),
        await seller.writer.post("/customers", json={}),
        await seller.writer.post("/customers", json={**body, "address": {"country": "x"}}),
        await seller.writer.post("/customers", json={**body, "colour": 1}),
        await seller.writer.post("/customers", json=body, headers={"Idempotency-Key": ""}),
        await seller.writer.post("/customers", content=b"{"),
        await seller.writer.post("/customers", content=b"{", headers={"Content-Type": "a/json"}),
        await seller.writer.post("/customers", content=b"x" * 2_000_000),
        await seller.writer.post("/access-tokens", json={}),
        await seller.admin.post("/access-tokens", json={}),
        await seller.admin.get("/access-tokens/0"),
        await seller.admin.get("/access-tokens/999999999"),
        await seller.reader.get("/customers/nobody"),
        await seller.reader.get("/customers/%FF"),
        await seller.reader.get("/customers?page=0"),
        await seller.reader.get("/customers?colour=red"),
        await seller.reader.get("/nothing"),
        await seller.reader.put("/customers"),
        await seller.anonymous.get("/customers"),
        await seller.reader.get("/customers", headers={"Host": "nobody.localhost"}),
    ]
    codes = set()
    for response in responses:
        error = response.json()["error"]
        codes.add(error["code"])
        page = await seller.anonymous.get(error["docs"])
        assert page.status_code == 200, error
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<h1>{error['code']}</h1>" in page.text
        assert f"HTTP {response.status_code}<" in page.text
    assert len(codes) == 20


async def post_as_server(
    app: FastAPI, seller: Seller, messages: list[dict[str, Any]], length: str
) -> httpx.Response:
    """What the application answers to a request that no client would send."""
    headers = {
        "host": f"{seller.slug}.localhost",
        "authorization": seller.writer.headers["authorization"],
        "content-type": "application/json",
        "content-length": length,
    }
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/customers",
        "raw_path": b"/api/v1/customers",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return httpx.Response(sent[0]["status"], content=sent[1]["body"])


async def test_a_body_that_breaks_off_is_no_fault_of_ours(seller: Seller, app: FastAPI) -> None:
    """400, and nothing is recorded: half a body is never taken for a whole one."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"name": "Ada", "email": "a@b"}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    response = await post_as_server(app, seller, messages, "100")
    message = refusal_of(response, 400, "request.incomplete_body")
    assert message == "the body ended after 31 bytes, before it was complete; send all of it"
    assert (await seller.reader.get("/customers")).json()["meta"]["total"] == 0


@pytest.mark.parametrize("length", ["²", "-1", "1e9", "9" * 400, "", "0"])
async def test_a_length_that_is_not_true_is_not_relied_on(
    seller: Seller, app: FastAPI, length: str
) -> None:
    """The bytes that arrive are counted, whatever was announced."""
    body = b'{"name": "Ada", "email": "a@b"}'
    messages = [{"type": "http.request", "body": body}]
    assert (await post_as_server(app, seller, messages, length)).status_code == 201
