from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.health import problems


@pytest.fixture
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    """One that nobody has asked yet, with a single connection for requests."""
    opened = Database(urls.application, pool_size=1)
    yield opened
    await opened.close()


async def _of_the_database(database: Database, patience_seconds: float = 5) -> list[str]:
    found = await problems(database, late_seconds=30, patience_seconds=patience_seconds)
    return [problem for problem in found if problem.startswith("the database")]


async def test_a_busy_pool_is_no_reason_to_call_the_database_dead(database: Database) -> None:
    """The question has a connection of its own."""
    async with database.transaction():
        assert await _of_the_database(database) == []


async def test_a_check_that_cannot_be_made_in_time_is_said_as_such(database: Database) -> None:
    """Slow is not away: another remedy."""
    async with database.check():
        found = await _of_the_database(database, patience_seconds=0.1)
    assert found == ["the database takes longer than 0.1 s to answer"]


async def test_a_database_set_to_read_only_is_not_ready(urls: DatabaseUrls) -> None:
    """A stand-by, or what a hosting company does when the disk is nearly full."""
    options = conninfo_to_dict(urls.application)["options"]
    reading = make_conninfo(
        urls.application, options=f"{options} -c default_transaction_read_only=on"
    )
    database = Database(reading, pool_size=1)
    found = await _of_the_database(database)
    await database.close()
    assert found == ["the database takes no writes (it is set to read-only)"]


async def test_a_disk_that_takes_no_file_is_not_ready(database: Database, data_dir: Path) -> None:
    """A full disk refuses the check's write as it refuses everybody's, and is well again after."""
    snapshots = data_dir / "postgres/pg_snapshots"
    snapshots.chmod(0o500)
    try:
        found = await _of_the_database(database)
    finally:
        snapshots.chmod(0o700)
    assert found == ["the database takes no writes (InsufficientPrivilege)"]
    assert await _of_the_database(database) == []


async def test_being_asked_often_does_not_write_often(database: Database, data_dir: Path) -> None:
    """What succeeded just now is not tried again for some seconds."""
    assert await _of_the_database(database) == []
    snapshots = data_dir / "postgres/pg_snapshots"
    snapshots.chmod(0o500)
    try:
        assert await _of_the_database(database) == []
    finally:
        snapshots.chmod(0o700)
