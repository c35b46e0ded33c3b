"""The keeper: the one process that starts and stops PostgreSQL in a data directory.

    python -m tollkeeper.infra.embedded.keeper DATA_DIRECTORY BINARIES MAJOR

It detaches itself, reports on its standard output how the start went (a line of JSON), and then
lives until the last user is gone. It must stay small: standard library only.
"""

import contextlib
import errno
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from enum import Enum, auto
from pathlib import Path

from tollkeeper.infra.embedded.cluster import ensure_cluster
from tollkeeper.infra.embedded.errors import (
    EmbeddedPostgresError,
    disk_full,
    program_failed,
    unusable,
)
from tollkeeper.infra.embedded.layout import REQUIRED_FREE_BYTES, Binaries, DataDirectory
from tollkeeper.infra.embedded.locks import INSIST_SECONDS, FileLock
from tollkeeper.infra.embedded.log import PostgresLog, last_lines
from tollkeeper.infra.embedded.postgres import start_postgres, stop_postgres
from tollkeeper.infra.embedded.privileges import Launcher, account_for
from tollkeeper.infra.embedded.processes import clear_the_field, is_ready
from tollkeeper.infra.embedded.sockets import places_to_reach, remove_substitute

_READY_POLL_SECONDS = 0.01
_LOG_CHECK_SECONDS = 60.0
_TERMINATION_SECONDS = 30.0
_SHORTEST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0


class _Event(Enum):
    USERS_GONE = auto()
    POSTGRES_ENDED = auto()
    SIGTERM = auto()


class Keeper:
    """Keeps PostgreSQL running in one data directory for as long as it has users."""

    def __init__(self, data: DataDirectory, binaries: Binaries, log: PostgresLog) -> None:
        """Raises EmbeddedPostgresError where PostgreSQL could not run at all."""
        self._data = data
        self._binaries = binaries
        self._log = log
        self._launcher = Launcher(account_for(data), places_to_reach(data), binaries.folder)
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._last_moment = math.inf

    def listen(self, users: FileLock) -> None:
        """Begins to notice when the users are gone, and signals.

        A signal that reaches everybody (Ctrl-C, the end of a container) must not cut the database
        off under a server that finishes its work; so only the users' going ends the keeper, or
        SIGTERM after a time that suffices for it.
        """

        def await_users() -> None:
            users.wait_exclusive()
            self._events.put(_Event.USERS_GONE)

        threading.Thread(target=await_users, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: self._events.put(_Event.SIGTERM))
        for ignored in (signal.SIGINT, signal.SIGHUP):
            # A handler, not SIG_IGN: PostgreSQL's programs would inherit the latter.
            signal.signal(ignored, lambda *_: None)

    def start(self) -> subprocess.Popen[bytes] | None:
        """Starts PostgreSQL once all of a former one is gone; makes the cluster if need be.

        Returns a server that accepts connections, or None when nobody wants it any more. Raises
        EmbeddedPostgresError, OSError.
        """
        log_position = self._log.size_bytes()
        lock = FileLock(self._data.postgres_lock)
        try:
            clear_the_field(self._data, lock)
            what = (self._data, self._binaries, self._launcher, self._log, lock.fileno())
            ensure_cluster(*what)
            process = start_postgres(*what)
        finally:
            lock.close()
        ready = False
        try:
            ready = self._await_ready(process, log_position)
        finally:
            if not ready:
                stop_postgres(process)
        return process if ready else None

    def serve(self, process: subprocess.Popen[bytes] | None) -> None:
        """Returns when the users are gone, or too long after SIGTERM, with PostgreSQL stopped."""
        pause = _SHORTEST_PAUSE_SECONDS
        while process is not None:
            started = time.monotonic()
            if not self._watch(process):
                break
            if time.monotonic() - started > _LONGEST_PAUSE_SECONDS:
                pause = _SHORTEST_PAUSE_SECONDS
            process, pause = self._restart(process.returncode, pause)
        remove_substitute(self._data, self._launcher)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether PostgreSQL ended by itself; False once it was stopped for want of users."""

        def await_end() -> None:
            process.wait()
            self._events.put(_Event.POSTGRES_ENDED)

        threading.Thread(target=await_end, daemon=True).start()
        try:
            return self._next_event(math.inf) is _Event.POSTGRES_ENDED
        finally:
            stop_postgres(process)

    def _restart(self, status: int, pause: float) -> tuple[subprocess.Popen[bytes] | None, float]:
        """Starts PostgreSQL again, and again, less and less often; returns the next pause too."""
        self._log.write(f"PostgreSQL ended with status {status} while it had users")
        while True:
            if self._next_event(pause) is not None:
                return None, pause
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            try:
                return self.start(), pause
            except (EmbeddedPostgresError, OSError) as failure:
                self._log.write(f"could not start PostgreSQL again: {failure}")

    def _await_ready(self, process: subprocess.Popen[bytes], log_position: int) -> bool:
        """False when nobody wants it any more. Recovery after a crash may take its time."""
        while not is_ready(self._data.cluster, process.pid):
            if process.poll() is not None:
                raise program_failed(
                    "PostgreSQL did not start",
                    last_lines(self._data.log, log_position),
                    self._data.path,
                    REQUIRED_FREE_BYTES,
                )
            if self._next_event(_READY_POLL_SECONDS) is not None:
                return False
        return True

    def _next_event(self, timeout_seconds: float) -> _Event | None:
        """The next event, or None after that time; SIGTERM only after its time of grace."""
        end = time.monotonic() + timeout_seconds
        while (now := time.monotonic()) < end:
            if now >= self._last_moment:
                return _Event.SIGTERM
            wait_seconds = min(end - now, self._last_moment - now, _LOG_CHECK_SECONDS)
            try:
                event = self._events.get(timeout=wait_seconds)
            except queue.Empty:
                self._log.bound()
                continue
            if event is not _Event.SIGTERM:
                return event
            self._last_moment = min(self._last_moment, time.monotonic() + _TERMINATION_SECONDS)
        return None


def keep(data: DataDirectory, binaries: Binaries) -> None:
    """The keeper's life. Reports once on standard output, which becomes the log after that."""
    keeper_lock = FileLock(data.keeper_lock)
    if not keeper_lock.take_exclusive(INSIST_SECONDS):
        _report(outcome="taken")
        return
    users = FileLock(data.users_lock)
    log = PostgresLog(data.log)
    log.bound()
    keeper = Keeper(data, binaries, log)
    keeper.listen(users)
    process = keeper.start()
    _report(outcome="ready")
    os.dup2(log.fileno(), sys.stdout.fileno())
    os.dup2(log.fileno(), sys.stderr.fileno())
    keeper.serve(process)
    # Before `users`, which the end of this process gives back: whoever waits for that finds the
    # place of the keeper free.
    keeper_lock.close()


def main(arguments: list[str]) -> None:
    if os.fork() > 0:
        # The user that started us waits for this process, and is not our parent any more.
        os._exit(0)
    path, folder, major = arguments
    data = DataDirectory(Path(path))
    try:
        keep(data, Binaries(Path(folder), int(major)))
    except EmbeddedPostgresError as failure:
        _report(outcome="failed", message=failure.message, remedy=failure.remedy)
    except OSError as failure:
        full = failure.errno == errno.ENOSPC
        known = disk_full(data.path, REQUIRED_FREE_BYTES) if full else unusable(data.path, failure)
        _report(outcome="failed", message=known.message, remedy=known.remedy)


def _report(**report: str) -> None:
    """Whoever started us may be gone by now, and then nobody reads it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{json.dumps(report)}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
