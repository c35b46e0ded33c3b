"""The server as its operator meets it: first start, signals, crashes, several at once."""

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from tests.process.conftest import COMMAND, PATIENCE_SECONDS, Server, StartServer, tollkeeper, until

from tollkeeper.infra.embedded.server import EmbeddedPostgres, wait_until_stopped

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}


def processes_naming(data_dir: Path) -> list[str]:
    """Command lines of living processes in which the data directory stands."""
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(data_dir) in line]


def test_first_start_prints_a_curl_line_that_creates_a_customer(running: Server) -> None:
    """What is printed can be pasted, and answers as the contract says."""
    curl = re.search(r"^curl .*?'\n", running.greeting, re.DOTALL | re.MULTILINE)
    assert curl is not None, running.greeting
    pasted = subprocess.run(["bash", "-c", curl[0]], capture_output=True, text=True, check=True)
    answer = httpx.Response(201, text=pasted.stdout).json()
    assert answer["data"]["name"] == "Ada Lovelace"
    assert answer["meta"]["message"] == "Customer created successfully"


def test_first_start_shows_the_admin_token_once_and_keeps_it_privately(serve: StartServer) -> None:
    """The token is printed at the first start only, and its file is the owner's alone."""
    first = serve().wait_until_alive()
    token_file = first.data_dir / "admin-token"
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert first.token in first.output
    first.stop()
    second = serve().wait_until_alive()
    assert second.token not in second.output
    assert str(token_file) in second.output
    assert httpx.get(f"{second.url}/api/v1/customers", headers=_bearer(second)).status_code == 200


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_running(serve: StartServer, number: signal.Signals, code: int) -> None:
    """Told to stop, its terminal closed, killed: server, worker, keeper and PostgreSQL all end."""
    server = serve("--workers", "2").wait_until_ready()
    server.process.send_signal(number)
    assert server.process.wait(PATIENCE_SECONDS) == code
    wait_until_stopped(server.data_dir, PATIENCE_SECONDS)
    until(lambda: not processes_naming(server.data_dir), "all processes to end")


def test_a_server_told_to_stop_while_it_starts_stops_at_once(serve: StartServer) -> None:
    """A server process that is not ready yet heeds the signal too, instead of being killed when the
    time for requests in flight has passed."""
    server = serve("--workers", "2")
    until(lambda: len(server.server_processes()) == 2, "the server processes to be there")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(15) == 0


async def test_sigterm_lets_a_request_in_flight_finish(serve: StartServer) -> None:
    """A request that waits for a lock when the signal comes is still answered, and done; the job
    worker ends meanwhile, so that the time to stop is not needed twice."""
    server = serve().wait_until_ready()
    with EmbeddedPostgres.join(server.data_dir) as database, psycopg.connect(database.url()) as db:
        db.execute("lock table tollkeeper.customers in exclusive mode")
        async with server.client() as client:
            request = asyncio.create_task(client.post("/customers", json=ADA))
            await asyncio.to_thread(until, lambda: _waiting(database.url()), "the request to wait")
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(until, lambda: _refuses(server), "the listener to close")
            await asyncio.to_thread(until, lambda: not server.job_worker(), "the worker to end")
            db.rollback()
            assert (await request).status_code == 201
    assert await asyncio.to_thread(server.process.wait, PATIENCE_SECONDS) == 0


async def test_kill_9_during_200_parallel_creates_loses_and_doubles_nothing(
    serve: StartServer,
) -> None:
    """What was acknowledged is there once; a retry with the same keys adds nothing."""
    server = serve("--workers", "2").wait_until_ready()
    acknowledged: set[int] = set()

    async def create(client: httpx.AsyncClient, number: int) -> bool:
        try:
            response = await client.post(
                "/customers",
                json={**ADA, "external_id": f"customer-{number}"},
                headers={"Idempotency-Key": f"create-{number}"},
            )
        except httpx.TransportError:
            return False
        if response.status_code == 201:
            acknowledged.add(number)
        return response.status_code == 201

    async with server.client() as client:
        creates = [asyncio.create_task(create(client, number)) for number in range(200)]
        await asyncio.to_thread(until, lambda: len(acknowledged) >= 40, "some acknowledgements")
        server.kill_all()
        await asyncio.gather(*creates)
    before_crash = set(acknowledged)
    assert len(before_crash) < 200, "the kill came too late to prove anything"

    again = (await asyncio.to_thread(serve, "--workers", "2")).wait_until_ready()
    async with again.client() as client:
        listed = await _external_ids(client)
        assert len(listed) == len(set(listed))
        assert {f"customer-{number}" for number in before_crash} <= set(listed)
        results = await asyncio.gather(*(create(client, number) for number in range(200)))
        assert all(results)
        listed = await _external_ids(client)
    assert sorted(listed) == sorted(f"customer-{number}" for number in range(200))


def test_two_servers_share_a_data_directory(serve: StartServer) -> None:
    """Both answer from the same data; when one stops, the other goes on."""
    first = serve().wait_until_alive()
    second = serve().wait_until_alive()
    made = httpx.post(f"{first.url}/api/v1/customers", json=ADA, headers=_bearer(first))
    customer = f"/api/v1/customers/{made.json()['data']['id']}"
    assert httpx.get(f"{second.url}{customer}", headers=_bearer(second)).status_code == 200
    first.stop()
    assert httpx.get(f"{second.url}{customer}", headers=_bearer(second)).status_code == 200


def test_readiness_needs_a_worker_and_returns_with_it(serve: StartServer, home: Path) -> None:
    """Without one, 503 names what is missing; a worker of one's own makes it ready."""
    server = serve("--no-jobs").wait_until_alive()
    refusal = server.get("/readyz")
    assert refusal is not None
    assert refusal.status_code == 503
    assert "no job worker is running" in refusal.json()["error"]["message"]
    worker = subprocess.Popen(
        [COMMAND, "worker", "--data-dir", str(home)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server.wait_until_ready()
    worker.terminate()
    assert worker.wait(PATIENCE_SECONDS) == 0
    until(lambda: _status(server, "/readyz") == 503, "readiness to notice the worker's end")


def test_a_process_that_dies_is_started_again_and_it_is_said(serve: StartServer) -> None:
    """`kill -9` of the job worker or a server process costs seconds; a server process that keeps
    dying ends the server, which gives its reason."""
    server = serve().wait_until_ready()
    worker = server.job_worker()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    until(lambda: server.job_worker() not in {worker, None}, "another worker")
    assert "the job worker ended and is started again" in server.log

    (first,) = server.server_processes()
    os.kill(first, signal.SIGKILL)
    until(lambda: server.server_processes() not in [[first], []], "another server process")
    assert "Unexpected exit from worker-1" in server.log
    (second,) = server.server_processes()
    os.kill(second, signal.SIGKILL)
    assert server.process.wait(PATIENCE_SECONDS) == 1
    assert "a server process ended twice within seconds, so the server ends" in server.log


def test_postgresql_killed_means_503_and_then_recovery(serve: StartServer) -> None:
    """While the database is away the answer is coded; when it is back, all is well again."""
    server = serve().wait_until_ready()
    worker = server.job_worker()
    made = httpx.post(f"{server.url}/api/v1/customers", json=ADA, headers=_bearer(server))
    postmaster = int((server.data_dir / "postgres/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)

    def answer() -> httpx.Response | None:
        return httpx.get(
            f"{server.url}/api/v1/customers/{made.json()['data']['id']}", headers=_bearer(server)
        )

    def recovered() -> bool:
        response = answer()
        assert response is not None
        assert response.status_code in {200, 503}, response.text
        if response.status_code == 503:
            assert response.json()["error"]["code"] == "service.database_unavailable"
            assert response.headers["retry-after"]
        return response.status_code == 200

    until(recovered, "the server to answer again")
    server.wait_until_ready()
    assert server.job_worker() == worker, "the worker itself lives through it"
    assert '"job worker stopped"' not in server.log


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "{port}"], "cannot listen on 127.0.0.1:{port}: Address already in use"),
        (["--host", "nobody.invalid"], "cannot listen on nobody.invalid:8080: no such host name"),
    ],
    ids=["port in use", "unknown host"],
)
def test_what_cannot_be_listened_on_is_said_in_a_sentence(
    running: Server, tmp_path: Path, options: list[str], words: str
) -> None:
    """Before anything is made or promised; with the option that helps."""
    options = [option.format(port=running.port) for option in options]
    second = tollkeeper("serve", *options, data_dir=tmp_path / "other")
    assert second.returncode == 1
    assert words.format(port=running.port) in second.stderr
    assert options[0] in second.stderr
    assert "Traceback" not in second.stderr
    assert not second.stdout
    assert not (tmp_path / "other").exists()


def test_metrics_count_over_all_processes(running: Server) -> None:
    """Whichever process is asked, it answers for all."""
    for _ in range(20):
        # A new connection each time, so that both processes get some.
        assert httpx.get(f"{running.url}/healthz").status_code == 200
    metrics = httpx.get(f"{running.url}/metrics").text
    counts = re.findall(r'requests_total\{.*route="/healthz",status="200"\} ([0-9.]+)', metrics)
    assert sum(map(float, counts)) >= 20


def test_a_postgresql_of_ones_own_serves_as_well(serve: StartServer, data_dir: Path) -> None:
    """With TOLLKEEPER_DATABASE_URL nothing embedded is started, and all else is the same."""
    with EmbeddedPostgres.join(data_dir) as other:
        with psycopg.connect(other.url(), autocommit=True) as db:
            db.execute("create database someones_own")
        server = serve(TOLLKEEPER_DATABASE_URL=other.url("someones_own")).wait_until_ready()
        made = httpx.post(f"{server.url}/api/v1/customers", json=ADA, headers=_bearer(server))
        assert made.status_code == 201
        assert not (server.data_dir / "postgres").exists()
        with psycopg.connect(other.url("someones_own")) as db:
            assert db.execute("select count(*) from tollkeeper.customers").fetchone() == (1,)
        assert server.stop() == 0


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "mysql://localhost/x"], ids=["away", "foreign"]
)
def test_a_database_that_cannot_be_used_is_said_in_a_sentence(serve: StartServer, url: str) -> None:
    """Exit code 1, the setting's name, no traceback."""
    server = serve(TOLLKEEPER_DATABASE_URL=url)
    assert server.process.wait(PATIENCE_SECONDS) == 1
    assert "TOLLKEEPER_DATABASE_URL" in server.output
    assert "Traceback" not in server.output


def test_the_log_holds_log_lines_and_no_secret(serve: StartServer) -> None:
    """Who collects standard error gets JSON, and never the token that a person was shown, whatever
    is done with it, at the most talkative level."""
    server = serve(TOLLKEEPER_LOG_LEVEL="debug").wait_until_ready()
    secret = server.token.partition("|")[2]
    for headers in (_bearer(server), {"Authorization": f"Bearer 1|{secret}x"}):
        # The request's path is logged, never its query.
        httpx.get(f"{server.url}/api/v1/customers?search={secret}", headers=headers)
        httpx.post(f"{server.url}/api/v1/customers", content=secret, headers=headers)
    server.stop()
    assert secret in server.greeting
    assert secret not in server.log
    assert "/api/v1/customers" in server.log
    assert all(json.loads(line)["level"] for line in server.log.splitlines())


def _bearer(server: Server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def _status(server: Server, path: str) -> int | None:
    response = server.get(path)
    return response.status_code if response else None


def _waiting(url: str) -> bool:
    with psycopg.connect(url) as db:
        row = db.execute("select count(*) from pg_locks where not granted").fetchone()
    return row is not None and row[0] > 0


def _refuses(server: Server) -> bool:
    return server.get("/healthz") is None


async def _external_ids(client: httpx.AsyncClient) -> list[str]:
    found: list[str] = []
    for page in (1, 2):
        answer = (await client.get("/customers", params={"page": page, "per_page": 200})).json()
        found += [customer["external_id"] for customer in answer["data"]]
    return found
