import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tollkeeper.infra.embedded.binaries import find_binaries
from tollkeeper.infra.embedded.privileges import Account, first_closed
from tollkeeper.infra.embedded.server import EmbeddedPostgres, wait_until_stopped

Query = Callable[[str, str], object]


def test_database_in_a_closed_directory_works(tmp_path: Path, query: Query) -> None:
    """Root's own directories are closed to the account that PostgreSQL runs as; it works there."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres.join(closed / "data") as joined:
        assert query(joined.url(), "SELECT 1") == 1
    wait_until_stopped(closed / "data")
    runs_as_root = (closed / "data" / "postgres").stat().st_uid == 0
    assert not runs_as_root


def test_programs_in_a_closed_directory_work(tmp_path: Path, start_user: Any, query: Query) -> None:
    """A virtual environment in a closed home serves too."""
    package = find_binaries(None).folder.parents[1]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, closed / part.name, copy_function=_link_or_copy)
    user = start_user(PYTHONPATH=f"{closed}:{os.environ.get('PYTHONPATH', '')}")
    assert query(user.url, "SELECT 1") == 1


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_first_closed_directory_on_the_way_is_found(tmp_path: Path) -> None:
    """The error about a place that PostgreSQL cannot reach names the directory to open."""
    directory = tmp_path
    for parent in [*reversed(tmp_path.parents), tmp_path]:
        if parent.stat().st_mode & 0o001 == 0:
            directory = parent
            break
    stranger = Account(user_id=54321, group_id=54321, name="stranger")
    myself = Account(os.geteuid(), os.getegid(), "myself")
    assert first_closed(stranger, tmp_path) == directory
    assert first_closed(myself, tmp_path) is None
