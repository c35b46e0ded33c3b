"""The worker process beside the server."""

import os
import signal
import subprocess
import sys
import threading
import time

import structlog

from tollkeeper.cli.worker import PARENT
from tollkeeper.infra.forks import no_forks
from tollkeeper.infra.settings import PREFIX, Settings

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0
_GRACE_SECONDS = 5.0


class JobWorker:
    """Started again if it ends, and stopped with the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._last_moment = 0.0

    def start(self) -> None:
        threading.Thread(target=self._keep_running, daemon=True).start()

    def ask_to_stop(self) -> None:
        """Let it finish its jobs, from now on; idempotent."""
        with self._changing:
            if self._stopping.is_set():
                return
            self._stopping.set()
        self._last_moment = time.monotonic() + self._settings.shutdown_seconds + _GRACE_SECONDS
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Return when it has ended, by force if it takes longer than it may."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(max(self._last_moment - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.warning("the job worker did not stop in time and is killed; its jobs are run again")
            self._process.kill()

    def _keep_running(self) -> None:
        pause = 1.0
        while True:
            started = time.monotonic()
            with self._changing:
                if self._stopping.is_set():
                    return
                self._process = self._spawn()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            if time.monotonic() - started > _LONGEST_PAUSE_SECONDS:
                pause = 1.0
            log.error("the job worker ended and is started again", code=code, pause_seconds=pause)
            self._stopping.wait(pause)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with no_forks():
            return subprocess.Popen(
                # -P: nothing of the current directory is ours to import.
                [sys.executable, "-P", "-m", "tollkeeper.main", "worker"],
                env={
                    **os.environ,
                    f"{PREFIX}DATA_DIR": str(self._settings.data_dir),
                    PARENT: str(os.getpid()),
                },
                # A Ctrl-C is for the server, which then stops its worker in good order.
                start_new_session=True,
            )
