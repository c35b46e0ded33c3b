import gzip
import json
import re
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import Seller

from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.runtime import Runtime


@pytest.fixture
def root(seller: Seller) -> httpx.AsyncClient:
    """A client at the root of a host, without a token."""
    seller.anonymous.base_url = seller.anonymous.base_url.join("/")
    seller.anonymous.event_hooks["response"].clear()  # the document is about /api/v1
    return seller.anonymous


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "nobody.example", "10.0.0.7"])
@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/", "/api/reference", "/api/errors"])
async def test_what_operators_and_readers_need_answers_at_every_host(
    root: httpx.AsyncClient, host: str, path: str
) -> None:
    """A load balancer asks by address, and has no token."""
    response = await root.get(path, headers={"Host": host})
    assert response.status_code == 200
    assert response.headers["x-request-id"]


async def test_the_process_is_alive_whatever_the_database_does(
    root: httpx.AsyncClient, app: FastAPI, runtime: Runtime
) -> None:
    """/healthz speaks of the process, /readyz of what it needs: 503 names what is missing."""
    nowhere = Database("host=/nowhere dbname=x", pool_size=1)
    app.state.runtime = replace(runtime, database=nowhere)
    assert (await root.get("/healthz")).json() == {"data": {"status": "alive"}, "meta": {}}
    response = await root.get("/readyz")
    assert response.status_code == 503
    error = response.json()["error"]
    assert error["code"] == "service.not_ready"
    assert error["message"].startswith("the database does not answer, or is not migrated")
    assert "/nowhere" not in response.text
    assert int(response.headers["retry-after"]) > 0
    await nowhere.close()


async def test_without_a_job_worker_nothing_is_ready(root: httpx.AsyncClient) -> None:
    """What is owed would not be done, so no traffic should come."""
    response = await root.get("/readyz")
    assert response.status_code == 503
    assert response.json()["error"]["details"] == [{"problem": "no job worker is running"}]


async def test_a_database_that_is_not_migrated_is_not_ready(
    root: httpx.AsyncClient, app: FastAPI, runtime: Runtime, urls: DatabaseUrls
) -> None:
    """A connection is not enough."""
    empty = Database(f"{urls.application} dbname=template1", pool_size=1)
    app.state.runtime = replace(runtime, database=empty)
    response = await root.get("/readyz")
    await empty.close()
    assert response.status_code == 503


async def test_metrics_are_in_prometheus_format(root: httpx.AsyncClient) -> None:
    """What was asked is counted, without a token or a host name in it."""
    await root.get("/healthz")
    response = await root.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert re.search(
        r'tollkeeper_http_requests_total{method="GET",route="/healthz",status="200"} \d',
        response.text,
    )
    assert "tollkeeper_http_request_duration_seconds_bucket" in response.text


async def test_the_reference_loads_nothing_from_elsewhere(root: httpx.AsyncClient) -> None:
    """Its policy forbids other hosts, and nothing on it asks one."""
    response = await root.get("/api/reference")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    for address in re.findall(r'(?:src|href|data-url)="([^"]+)"', response.text):
        assert address.startswith(("/", "data:"))
        if address.startswith("/"):
            assert (await root.get(address)).status_code == 200
    configuration = re.search(r"data-configuration='([^']+)'", response.text)
    assert configuration is not None
    assert json.loads(configuration[1])["telemetry"] is False


async def test_the_references_script_is_served_compressed(root: httpx.AsyncClient) -> None:
    """From the package that the lock file names; a browser unpacks it."""
    async with root.stream("GET", "/api/reference/scalar.js") as response:
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["content-type"].startswith("text/javascript")
        packed = b"".join([chunk async for chunk in response.aiter_raw()])
    assert len(gzip.decompress(packed)) > 1_000_000
