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
import pytest

from tollkeeper.infra.embedded.server import wait_until_stopped

COMMAND = (sys.executable, "-m", "tollkeeper.main")
PATIENCE_SECONDS = 60.0
Answer = TypeVar("Answer")


def tollkeeper(*arguments: str, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments, "--data-dir", str(data_dir)],
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
        self.output_file = data_dir.with_name(f"{data_dir.name}-{self.port}.log")
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *COMMAND,
                    "serve",
                    "--data-dir",
                    str(data_dir),
                    "--port",
                    str(self.port),
                    *options,
                ],
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.output_file.read_text()

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

    def kill(self) -> None:
        """kill -9 of the process that was started; the others must notice for themselves."""
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """kill -9 of every process that answers requests, in one instant."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _status(self, path: str) -> int | None:
        response = self.get(path)
        return response.status_code if response is not None else None

    def _ended(self) -> bool:
        return self.process.poll() is not None


StartServer = Callable[..., Server]


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
