import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tollkeeper.infra.embedded.server import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    wait_until_stopped,
)

Query = Callable[[str, str], object]


def test_first_user_gets_a_working_server_from_nothing(new_data_dir: Path, query: Query) -> None:
    """One call on a directory that does not exist yields a database ready for use."""
    with EmbeddedPostgres.join(new_data_dir) as joined:
        assert query(joined.url(), "SELECT current_user || '@' || current_database()") == (
            "tollkeeper@tollkeeper"
        )
        assert query(joined.url(), "SHOW data_checksums") == "on"
        assert query(joined.url(), "SHOW server_encoding") == "UTF8"
        assert query(joined.url(), "SHOW fsync") == "on"
        assert query(joined.url(), "SELECT rolsuper FROM pg_roles WHERE rolname = user") is False
        assert query(joined.url(), "SELECT upper('ä')") == "Ä"
    assert new_data_dir.stat().st_mode & 0o777 == 0o700


def test_data_outlives_the_server(data_dir: Path, query: Query) -> None:
    """What was committed is there when the next user starts the server again."""
    with EmbeddedPostgres.join(data_dir) as joined:
        query(joined.url(), "CREATE TABLE kept AS SELECT 42 AS value")
    wait_until_stopped(data_dir)
    with EmbeddedPostgres.join(data_dir) as joined:
        assert query(joined.url(), "SELECT value FROM kept") == 42


def test_server_stays_for_the_second_user_when_the_first_leaves(
    start_user: Any, query: Query, machine: Any, eventually: Any
) -> None:
    """The server belongs to nobody: it lives exactly as long as somebody uses it."""
    first, second = start_user(), start_user()
    postmasters = machine.postmasters() if first.url and second.url else []
    first.leave()
    assert query(second.url, "SELECT 1") == 1
    assert machine.postmasters() == postmasters
    assert len(postmasters) == 1
    second.leave()
    eventually(lambda: not machine.everything())


def test_leaving_twice_is_leaving_once(data_dir: Path) -> None:
    """Every way out of a program may call `leave`."""
    joined = EmbeddedPostgres.join(data_dir)
    with joined:
        joined.leave()
    joined.leave()
    wait_until_stopped(data_dir)


def test_newcomer_during_the_stop_gets_a_server(data_dir: Path, query: Query) -> None:
    """Whoever comes while the server is stopping waits for the end of that, not in vain."""
    for _ in range(5):
        with EmbeddedPostgres.join(data_dir) as joined:
            assert query(joined.url(), "SELECT 1") == 1


def test_server_ends_when_its_only_user_is_killed(
    start_user: Any, machine: Any, eventually: Any
) -> None:
    """`kill -9` of a user is as good as leaving."""
    user = start_user().joined()
    user.kill()
    eventually(lambda: not machine.everything(), seconds=5)


def test_forked_child_does_not_hold_the_server(
    start_user: Any, machine: Any, eventually: Any
) -> None:
    """A child that never joined cannot keep the server alive after its parent."""
    parent = start_user("--fork").joined()
    try:
        parent.kill()
        eventually(lambda: not machine.everything(), seconds=5)
        os.kill(parent.child_id, 0)
    finally:
        os.kill(parent.child_id, signal.SIGKILL)


def test_eight_at_once_start_one_server(start_user: Any, machine: Any, new_data_dir: Path) -> None:
    """However many processes find no server, one cluster is made and one server started."""
    users = [start_user() for _ in range(8)]
    assert len({user.url for user in users}) == 1
    assert len(machine.postmasters()) == 1
    assert (new_data_dir / "postgres.log").read_text().count("starting PostgreSQL") == 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("d" * 120, id="too-long-for-a-socket"),
        pytest.param("Zähler und Söhne", id="space-and-umlaut"),
        pytest.param("a,b", id="comma"),
        pytest.param('it\'s "$HOME" `id` \\ 100%', id="quotes"),
    ],
)
def test_any_path_can_hold_the_database(data_dir: Path, query: Query, name: str) -> None:
    """The name of the data directory is the operator's business, and it can be moved."""
    path = data_dir.rename(data_dir.with_name(name))
    with EmbeddedPostgres.join(path) as joined:
        assert query(joined.url(), "SELECT 1") == 1
        assert query(joined.url("postgres", "tollkeeper_admin"), "SELECT 1") == 1
    wait_until_stopped(path)


def test_cluster_is_made_under_any_path(tmp_path: Path, query: Query) -> None:
    """Making a cluster takes a shell and a substitute for the socket's address; both must hold."""
    path = tmp_path / ('it\'s "$HOME", `id` & Söhne ' + "d" * 100)
    with EmbeddedPostgres.join(path) as joined:
        assert query(joined.url(), "SELECT 1") == 1
    wait_until_stopped(path)
    assert not (path / "run").is_symlink()


def test_settings_of_other_databases_do_not_interfere(
    data_dir: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator with PG* variables for another server still gets this one."""
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "elsewhere.example")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    with EmbeddedPostgres.join(data_dir) as joined:
        assert query(joined.url(), "SELECT 1") == 1


def test_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """The error names what is in the way."""
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(EmbeddedPostgresError, match="there is a file in its place"):
        EmbeddedPostgres.join(tmp_path / "file" / "data")
    with pytest.raises(EmbeddedPostgresError, match="there is a file in its place"):
        EmbeddedPostgres.join(tmp_path / "file")


def test_place_that_cannot_be_written_is_refused() -> None:
    """The error says that the place is unusable, not what failed in it."""
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)cannot be used.*--data-dir"):
        EmbeddedPostgres.join(Path("/proc/tollkeeper"))


def test_full_disk_is_refused_with_figures(new_data_dir: Path) -> None:
    """Too little space is found out before anything is written."""
    with pytest.raises(EmbeddedPostgresError, match=r"\d+ MB are free, 1073741824 MB are needed"):
        EmbeddedPostgres.join(new_data_dir, required_free_bytes=2**50)
    assert not (new_data_dir / "postgres").exists()


def test_running_server_can_be_joined_on_a_full_disk(data_dir: Path, query: Query) -> None:
    """Whoever comes to make room must be let in."""
    with (
        EmbeddedPostgres.join(data_dir),
        EmbeddedPostgres.join(data_dir, required_free_bytes=2**50) as joined,
    ):
        assert query(joined.url(), "SELECT 1") == 1


def test_cluster_of_another_version_is_refused(new_data_dir: Path) -> None:
    """Data of a version that this machine does not have is left alone."""
    (new_data_dir / "postgres").mkdir(parents=True)
    (new_data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"written by PostgreSQL 9, .* has PostgreSQL 1"
    ):
        EmbeddedPostgres.join(new_data_dir)


def test_foreign_directory_is_not_taken_for_a_cluster(new_data_dir: Path) -> None:
    """Files that are not ours are neither used nor removed."""
    (new_data_dir / "postgres").mkdir(parents=True)
    (new_data_dir / "postgres" / "letter.txt").write_text("dear")
    with pytest.raises(EmbeddedPostgresError, match="not a PostgreSQL cluster"):
        EmbeddedPostgres.join(new_data_dir)
    assert (new_data_dir / "postgres" / "letter.txt").read_text() == "dear"


def test_server_that_cannot_start_says_why(data_dir: Path, query: Query) -> None:
    """The error carries PostgreSQL's own last words, and a mended server starts."""
    configuration = data_dir / "postgres" / "postgresql.conf"
    sound = configuration.read_text()
    configuration.write_text("max_connections = plenty\n")
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)did not start.*max_connections"):
        EmbeddedPostgres.join(data_dir)
    configuration.write_text(sound)
    with EmbeddedPostgres.join(data_dir) as joined:
        assert query(joined.url(), "SELECT 1") == 1


def test_no_secret_of_a_statement_reaches_the_log(data_dir: Path, query: Query) -> None:
    """Neither the text of a failing statement nor the row it quotes is written to the log."""
    with EmbeddedPostgres.join(data_dir) as joined:
        query(joined.url(), "CREATE TABLE keys (secret text UNIQUE)")
        for _ in range(2):
            try:
                query(joined.url(), "INSERT INTO keys VALUES ('tk_live_4711')")
            except psycopg.errors.UniqueViolation:
                continue
        with pytest.raises(psycopg.errors.UndefinedTable):
            query(joined.url(), "SELECT 'tk_live_4711' FROM nowhere")
    log = (data_dir / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert "tk_live_4711" not in log
