"""Users of an embedded PostgreSQL as processes of their own, and a view of what really runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest

from tollkeeper.infra.embedded.server import EmbeddedPostgres, wait_until_stopped


class UserProcess:
    """A process that joins at once, and uses the database until it leaves or is killed."""

    def __init__(self, data_dir: Path, *options: str, environment: dict[str, str]) -> None:
        self._joined: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("user_process.py")), data_dir, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def joined(self) -> "UserProcess":
        """Waits until it has joined."""
        assert self._process.stdout is not None
        if not self._joined:
            self._joined = [self._process.stdout.readline().strip() for _ in range(2)]
            assert self._joined[0], "the process could not join"
        return self

    @property
    def url(self) -> str:
        return self.joined()._joined[0]

    @property
    def child_id(self) -> int:
        return int(self.joined()._joined[1])

    def leave(self) -> None:
        self._process.communicate()

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.communicate()


class Machine:
    """What runs on a data directory: asked of the operating system, not of the code under test."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def keepers(self) -> list[int]:
        return self._running(f"embedded.keeper {self._data_dir} ")

    def postmasters(self) -> list[int]:
        return self._running(f"/postgres -D {self._data_dir}/postgres ")

    def cluster_makers(self) -> list[int]:
        return self._running(f"-D {self._data_dir}/postgres.incomplete")

    def everything(self) -> list[int]:
        return self.keepers() + self.postmasters() + self.cluster_makers() + self._at_work()

    def _at_work(self) -> list[int]:
        """The children of a server do not name it; on Linux their directory does."""
        working_directories = Path("/proc").glob("[0-9]*/cwd")
        found = []
        for link in working_directories:
            try:
                if link.readlink() == self._data_dir / "postgres":
                    found.append(int(link.parent.name))
            except OSError:
                continue
        return found

    @staticmethod
    def _running(text: str) -> list[int]:
        """A zombie has no arguments left, so it does not count."""
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if text in " ".join(process.info["cmdline"] or ())
        ]


@pytest.fixture(scope="session")
def finished_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: to make a cluster is to wait for the disk."""
    path = tmp_path_factory.mktemp("finished") / "data"
    EmbeddedPostgres.join(path).leave()
    wait_until_stopped(path)
    return path


@pytest.fixture
def data_dir(tmp_path: Path, finished_data_dir: Path) -> Iterator[Path]:
    """A data directory with a cluster; nothing may run on it when the test is over."""
    path = tmp_path / "data"
    subprocess.run(["cp", "-a", str(finished_data_dir), str(path)], check=True)
    (path / "postgres.log").unlink()
    yield path
    wait_until_stopped(path)
    assert Machine(path).everything() == []


@pytest.fixture
def new_data_dir(data_dir: Path) -> Path:
    """A data directory that does not exist yet."""
    shutil.rmtree(data_dir)
    return data_dir


@pytest.fixture
def machine(data_dir: Path) -> Machine:
    return Machine(data_dir)


@pytest.fixture
def start_user(data_dir: Path) -> Iterator[Callable[..., UserProcess]]:
    """Starts user processes, on `data_dir` unless told otherwise; those that are left, leave."""
    with ExitStack() as users:

        def start(*options: str, path: Path = data_dir, **environment: str) -> UserProcess:
            user = UserProcess(path, *options, environment=environment)
            users.callback(user.leave)
            return user

        yield start


def _eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, and fails when it does not come to hold."""
    return _eventually


def _query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


@pytest.fixture
def query() -> Callable[[str, str], object]:
    """Runs one statement on a connection of its own; the first value of the result."""
    return _query


@pytest.fixture
def query_again() -> Callable[[str, str], object]:
    """Like `query`, but tries until the server is back."""

    def run(url: str, statement: str) -> object:
        answers: list[object] = []

        def answered() -> bool:
            try:
                answers.append(_query(url, statement))
            except psycopg.OperationalError:
                return False
            return True

        _eventually(answered)
        return answers[0]

    return run
