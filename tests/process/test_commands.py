"""Commands as their operator meets them, beside a running server and before there is one."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.process.conftest import Server, tollkeeper, until

from tollkeeper.infra.database import DatabaseUrls
from tollkeeper.infra.embedded.server import EmbeddedPostgres
from tollkeeper.infra.migrate import migrate

TRICKY = "ci [/prod] [bold]" + "x" * 60


@pytest.fixture
def unmigrated(urls: DatabaseUrls) -> Iterator[str]:
    """The URL of a database that nobody has migrated."""
    with psycopg.connect(urls.operator, autocommit=True) as db:
        name = f"unmigrated_{uuid.uuid4().hex}"
        db.execute(f"create database {name}".encode())
        host, port, user = db.info.host, db.info.port, db.info.user
        yield f"postgresql://{user}@/{name}?host={host}&port={port}"
        db.execute(f"drop database {name} with (force)".encode())


def test_a_table_shows_what_people_typed_and_cuts_nothing(running: Server) -> None:
    """A name is no markup, however it looks, and a pipe has no width; a token that has expired is
    not called active."""
    issued = httpx.post(
        f"{running.url}/api/v1/access-tokens",
        json={"name": TRICKY, "scope": "api:read", "expires_at": "2099-01-01T00:00:00Z"},
        headers={"Authorization": f"Bearer {running.token}"},
    )
    assert issued.status_code == 201, issued.text
    with (
        EmbeddedPostgres.join(running.data_dir) as database,
        psycopg.connect(database.url()) as db,
    ):
        db.execute(
            "update tollkeeper.access_tokens set expires_at = '2020-02-02Z' where name = %s",
            (TRICKY,),
        )
    listed = tollkeeper("tokens", "list", data_dir=running.data_dir)
    assert listed.returncode == 0, listed.stderr
    (line,) = (line for line in listed.stdout.splitlines() if TRICKY in line)
    assert line.split(TRICKY)[1].split()[:2] == ["api:read", "expired"]
    assert "2020-02-02T00:00:00" in line


def test_a_number_that_no_token_has_is_refused_in_words(running: Server) -> None:
    """Even one that no database could hold."""
    refused = tollkeeper("tokens", "revoke", "9" * 20, data_dir=running.data_dir)
    assert refused.returncode != 0
    assert "9223372036854775807" in refused.stderr, "the largest that there can be"
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("command", [("providers", "list"), ("worker",)], ids=" ".join)
def test_a_command_before_the_first_migration_names_it(
    unmigrated: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The remedy is one command away, and no SQL is shown."""
    refused = tollkeeper(*command, data_dir=tmp_path, TOLLKEEPER_DATABASE_URL=unmigrated)
    assert refused.returncode == 1
    assert "run: tollkeeper migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_migration_that_cannot_get_its_lock_says_to_run_it_again(
    unmigrated: str, tmp_path: Path
) -> None:
    """Busy is not unreachable. (The wait is cut short: the database's own limit is 5 s.)"""
    operator = DatabaseUrls.of(unmigrated).operator
    migrate(operator)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(operator) as db:
        db.execute("lock table alembic_version in access exclusive mode")
        running = pool.submit(
            tollkeeper, "migrate", data_dir=tmp_path, TOLLKEEPER_DATABASE_URL=unmigrated
        )
        cut_short = "select pg_cancel_backend(pid) from pg_locks where not granted"
        until(lambda: db.execute(cut_short).fetchone(), "the migration to wait")
        refused = running.result()
    assert refused.returncode == 1
    assert "the database is busy" in refused.stderr
    assert "Run the command again." in refused.stderr
    assert "Traceback" not in refused.stderr
