import re

import pytest
from tests.conftest import Seller

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.ids import parse_uuid

PATHS = ["/customers", "/customers/nobody", "/nothing", "/customers?page=0", "/customers/%FF"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("given", ["a", "req_42", "trace:1.2-3", "A" * 128])
async def test_a_usable_request_id_is_echoed(seller: Seller, path: str, given: str) -> None:
    """Once, on successes and errors alike, so that both sides can find the same request."""
    response = await seller.reader.get(path, headers={"X-Request-Id": given})
    assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "given", [b"", b" ", b"a b", b"A" * 129, b"a\xff", b"<script>", b'"}', b"a\tb", b"a/b"]
)
async def test_an_unusable_request_id_is_replaced(seller: Seller, path: str, given: bytes) -> None:
    """Nothing odd gets from here into logs or headers; the request still has an id."""
    response = await seller.reader.get(path, headers={b"X-Request-Id": given})
    assert parse_uuid(response.headers["x-request-id"]).version == 7


async def test_a_request_without_an_id_gets_one_of_its_own(seller: Seller) -> None:
    """No two of them are the same."""
    ids = {(await seller.reader.get("/customers")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


async def test_requests_are_counted_by_route_and_never_by_what_callers_make_up(
    seller: Seller, runtime: Runtime
) -> None:
    """Each new label is memory for ever: neither ids nor methods nor paths of others become one."""
    for number in range(3):
        await seller.reader.get(f"/customers/made-up-{number}")
        await seller.reader.request(f"MADEUP{number}", "/customers")
        await seller.reader.get(f"/made-up-{number}/%FF")
        await seller.reader.get(f"/made-up-{number}")
    figures = runtime.metrics.exposition().decode()
    assert "made-up" not in figures.lower()
    assert "madeup" not in figures.lower()
    assert seller.slug not in figures
    counted = re.findall(
        r'http_requests_total{method="(\w+)",route="([^"]+)",status="404"}', figures
    )
    assert ("GET", "/api/v1/customers/{customer_id}") in counted
    assert ("any", "unmatched") in counted
