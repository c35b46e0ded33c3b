"""Using the embedded PostgreSQL: join, connect, leave."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from psycopg import pq

from tollkeeper.infra.embedded.binaries import find_binaries
from tollkeeper.infra.embedded.errors import (
    EmbeddedPostgresError,
    disk_full,
    free_bytes,
    program_failed,
    unusable,
)
from tollkeeper.infra.embedded.layout import (
    DATABASE,
    OWNER,
    PORT,
    REQUIRED_FREE_BYTES,
    DataDirectory,
)
from tollkeeper.infra.embedded.locks import FileLock, is_held_exclusively
from tollkeeper.infra.embedded.log import last_lines
from tollkeeper.infra.embedded.sockets import socket_directory
from tollkeeper.infra.forks import no_forks

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "wait_until_stopped"]

_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
_WATCH_SECONDS = 2.0
_FRESH_START_SECONDS = 60.0
_KEEPER_MODULE = "tollkeeper.infra.embedded.keeper"
_PACKAGE_ROOT = Path(__file__).resolve().parents[3]
_PASSED_ENVIRONMENT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONHOME",
)

_logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """One process's use of the PostgreSQL in a data directory.

    The server runs while at least one process uses it. To die is to leave, even by `kill -9`.
    Should the keeper be killed, PostgreSQL ends with it, connections break, and a thread of this
    object brings both back within seconds.

    A forked child does not inherit the use: it may go on with the URL, but must join for itself to
    be sure of the server. Programs started by this process inherit nothing.
    """

    def __init__(self, data: DataDirectory, lock: FileLock, required_free_bytes: int) -> None:
        """For `join` alone."""
        self._data = data
        self._lock = lock
        self._required_free_bytes = required_free_bytes
        self._left = threading.Event()
        _joined.add(self)

    @classmethod
    def join(
        cls,
        data_dir: Path,
        *,
        timeout_seconds: float = 60,
        required_free_bytes: int = REQUIRED_FREE_BYTES,
    ) -> "EmbeddedPostgres":
        """Returns once the server in `data_dir` accepts connections; makes both if missing.

        Where the server has to be started, `required_free_bytes` must be free on the disk. After a
        crash it recovers first, which may take minutes when much was written. Raises
        EmbeddedPostgresError.
        """
        deadline = time.monotonic() + timeout_seconds
        data = _prepare_directory(data_dir)
        try:
            lock = FileLock(data.users_lock)
        except OSError as reason:
            raise unusable(data.path, reason) from reason
        joined = cls(data, lock, required_free_bytes)
        try:
            joined._enter(timeout_seconds, deadline)
        except BaseException as failure:
            joined.leave()
            if isinstance(failure, OSError):
                raise unusable(data.path, failure) from failure
            raise
        threading.Thread(target=joined._watch, name="embedded-postgres", daemon=True).start()
        return joined

    def url(self, database: str = DATABASE, user: str = OWNER) -> str:
        """A URL for libpq and psycopg."""
        return _url(self._data, database, user)

    def leave(self) -> None:
        """Ends this process's use of the server; idempotent."""
        self._left.set()
        self._lock.close()
        _joined.discard(self)

    def __enter__(self) -> "EmbeddedPostgres":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def _enter(self, timeout_seconds: float, deadline: float) -> None:
        """Takes the users' lock, which waits for a server that is just stopping, and starts one."""
        if not self._lock.take_shared(timeout_seconds):
            raise EmbeddedPostgresError(
                f"The PostgreSQL of {self._data.path} has been stopping for "
                f"{timeout_seconds:.0f} s.",
                f"See {self._data.log}, or try again.",
            )
        self._bring_up(deadline)

    def _bring_up(self, deadline: float) -> None:
        """Returns when there is a keeper and the server answers.

        A server without a keeper is an orphan, which the next keeper replaces.
        """
        log_position = self._data.log.stat().st_size if self._data.log.exists() else 0
        pause = _SHORTEST_PAUSE_SECONDS
        while True:
            if not is_held_exclusively(self._data.keeper_lock):
                self._start_keeper(deadline)
            elif _answers(self._data):
                return
            if time.monotonic() >= deadline:
                raise self._gave_no_answer(log_position)
            time.sleep(pause)
            # A server that recovers logs every question, and may take minutes.
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _start_keeper(self, deadline: float) -> None:
        """Returns when a keeper has started the server, or has found another keeper at work."""
        if free_bytes(self._data.path) < self._required_free_bytes:
            raise disk_full(self._data.path, self._required_free_bytes)
        binaries = find_binaries(self._data.cluster_major())
        arguments = [str(self._data.path), str(binaries.folder), str(binaries.major)]
        passed = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
        with no_forks():
            keeper = subprocess.Popen(  # noqa: S603
                # -S and -P: it needs no site-packages, and nothing of the current directory.
                [sys.executable, "-S", "-P", "-X", "utf8", "-m", _KEEPER_MODULE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=passed | {"PYTHONPATH": str(_PACKAGE_ROOT)},
                start_new_session=True,
            )
        with keeper:
            output = b""
            try:
                output, _ = keeper.communicate(timeout=max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                # It goes on: PostgreSQL may be recovering from a crash.
                _logger.warning("PostgreSQL takes its time to start")
        self._heed(output.decode(errors="replace"))

    def _heed(self, output: str) -> None:
        """Raises what the keeper reports. One that was killed reports nothing; another is tried."""
        if not output:
            return
        try:
            report = json.loads(output)
        except ValueError:
            raise program_failed(
                "The keeper of PostgreSQL failed", output, self._data.path, REQUIRED_FREE_BYTES
            ) from None
        if report["outcome"] == "failed":
            raise EmbeddedPostgresError(report["message"], report["remedy"])

    def _gave_no_answer(self, log_position: int) -> EmbeddedPostgresError:
        return program_failed(
            "PostgreSQL did not accept connections in time",
            last_lines(self._data.log, log_position),
            self._data.path,
            self._required_free_bytes,
        )

    def _watch(self) -> None:
        """Brings a killed keeper back for as long as this process uses the database."""
        # A server that ran is not refused for want of room.
        self._required_free_bytes = 0
        while not self._left.wait(_WATCH_SECONDS):
            if is_held_exclusively(self._data.keeper_lock):
                continue
            _logger.warning("The keeper of PostgreSQL is gone; starting another")
            try:
                self._bring_up(time.monotonic() + _FRESH_START_SECONDS)
            except (EmbeddedPostgresError, OSError) as failure:
                _logger.error("PostgreSQL could not be started again: %s", failure)  # noqa: TRY400

    def _forget_in_child(self) -> None:
        """The thread and its locks did not survive the fork; only the descriptor did."""
        self._lock.close()
        self._left = threading.Event()
        self._left.set()


def wait_until_stopped(data_dir: Path, timeout_seconds: float = 30) -> None:
    """Returns when no process of PostgreSQL and no keeper is left; EmbeddedPostgresError if late.

    The last process of a container waits here after leaving: its end would kill PostgreSQL.
    """
    data = DataDirectory(data_dir.resolve())
    deadline = time.monotonic() + timeout_seconds
    while _is_at_work(data):
        if time.monotonic() >= deadline:
            raise EmbeddedPostgresError(
                f"The PostgreSQL of {data.path} still runs after {timeout_seconds:.0f} s.",
                "Another process may use it.",
            )
        time.sleep(_SHORTEST_PAUSE_SECONDS)


def _is_at_work(data: DataDirectory) -> bool:
    """Whether there is a keeper, or any process of PostgreSQL."""
    try:
        return any(
            is_held_exclusively(lock)
            for lock in (data.keeper_lock, data.postgres_lock, data.users_lock)
        )
    except OSError as reason:
        raise unusable(data.path, reason) from reason


def _prepare_directory(data_dir: Path) -> DataDirectory:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = data_dir.resolve(strict=True)
    except (FileExistsError, NotADirectoryError) as reason:
        raise EmbeddedPostgresError(
            f"{data_dir} cannot be the data directory: there is a file in its place.",
            "Choose another place with --data-dir.",
        ) from reason
    except OSError as reason:
        raise unusable(data_dir, reason) from reason
    return DataDirectory(path)


def _answers(data: DataDirectory) -> bool:
    """Whether the server accepts connections, be it only to say that it has too many of them."""
    conninfo = f"{_url(data, DATABASE, OWNER)}&connect_timeout=3"
    return pq.PGconn.ping(conninfo.encode()) == pq.Ping.OK


def _url(data: DataDirectory, database: str, user: str) -> str:
    """With the port, so that PGPORT in somebody's environment cannot mislead."""
    host = quote(os.fsencode(socket_directory(data)), safe="")
    return (
        f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={PORT}"
    )


_joined: weakref.WeakSet[EmbeddedPostgres] = weakref.WeakSet()


def _forget_all_in_child() -> None:
    for joined in list(_joined):
        joined._forget_in_child()  # noqa: SLF001
    _joined.clear()


os.register_at_fork(after_in_child=_forget_all_in_child)
