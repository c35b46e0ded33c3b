"""Real servers in real processes, started as a user starts them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import pytest

from tollkeeper.infra.embedded.server import wait_until_stopped

# As it is installed.
COMMAND = str(Path(sys.executable).with_name("tollkeeper"))
PATIENCE_SECONDS = 60.0
Answer = TypeVar("Answer")


def tollkeeper(
    *arguments: str, data_dir: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [COMMAND, *arguments, "--data-dir", str(data_dir)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def until(question: Callable[[], Answer], what: str) -> Answer:
    """Ask until the answer is true; fail, saying what was waited for, when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        # Another process is asked: there is no event to await.
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s in vain: {what}")


class Server:
    """A `tollkeeper serve` on a free port."""

    def __init__(self, data_dir: Path, *options: str, **environment: str) -> None:
        self.data_dir = data_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://localhost:{self.port}"
        self._greeting_file = data_dir.with_name(f"{data_dir.name}-{self.port}.txt")
        self._log_file = data_dir.with_name(f"{data_dir.name}-{self.port}.log")
        place = ("--data-dir", str(data_dir), "--port", str(self.port))
        with self._greeting_file.open("wb") as greeting, self._log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [COMMAND, "serve", *place, *options],
                cwd=data_dir.parent,
                env={**os.environ, **environment},
                stdout=greeting,
                stderr=log,
                start_new_session=True,
            )

    @property
    def greeting(self) -> str:
        return self._greeting_file.read_text()

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    @property
    def output(self) -> str:
        return self.greeting + self.log

    def job_worker(self) -> int | None:
        """The process id of the worker beside it, while there is one."""
        return next(iter(self._children("tollkeeper.main worker")), None)

    def server_processes(self) -> list[int]:
        """The process ids of those that answer requests."""
        return self._children(f"tollkeeper serve --data-dir {self.data_dir}")

    @property
    def token(self) -> str:
        return (self.data_dir / "admin-token").read_text().strip()

    def get(self, path: str) -> httpx.Response | None:
        """The answer, or None while nobody answers."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}{path}", timeout=10)
        return None

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=PATIENCE_SECONDS,
            limits=httpx.Limits(max_connections=200),
        )

    def wait_until_alive(self) -> "Server":
        until(lambda: self._status("/healthz") == 200 or self._ended(), "the server to answer")
        assert self.process.poll() is None, self.output
        return self

    def wait_until_ready(self) -> "Server":
        until(lambda: self._status("/readyz") == 200 or self._ended(), "the server to be ready")
        assert self.process.poll() is None, self.output
        return self

    def stop(self) -> int:
        """SIGTERM, and wait; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def kill_all(self) -> None:
        """kill -9 of every process that answers requests, in one instant."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _children(self, words: str) -> list[int]:
        return [
            child.pid
            for child in psutil.process_iter(["cmdline", "ppid"])
            if child.info["ppid"] == self.process.pid
            and words in " ".join(child.info["cmdline"] or ())
        ]

    def _status(self, path: str) -> int | None:
        response = self.get(path)
        return response.status_code if response is not None else None

    def _ended(self) -> bool:
        return self.process.poll() is not None


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ready server for all tests that only talk to it, in a place that is not made easy: there is
    a space in its name, and beside it lies a module that nobody should import."""
    home = tmp_path_factory.mktemp("running")
    (home / "structlog.py").write_text("raise ImportError('taken from the current directory')")
    server = Server(
        home / "our data",
        *("--workers", "2", "--host", "localhost"),
        TOLLKEEPER_LOG_LEVEL="warning",
    )
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()
        wait_until_stopped(server.data_dir, PATIENCE_SECONDS)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data directory in which no process is left when the test has ended, well or badly."""
    directory = tmp_path / "data"
    yield directory
    if directory.exists():
        wait_until_stopped(directory, PATIENCE_SECONDS)


@pytest.fixture
def serve(home: Path) -> Iterator[StartServer]:
    """Starts servers, by default on this test's data directory; stops those that still run."""
    servers: list[Server] = []

    def start(*options: str, **environment: str) -> Server:
        server = Server(home, *options, **environment)
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()
