"""`postgres.log`: what PostgreSQL and its keeper say, bounded in size."""

import contextlib
import os
import shutil
import time
from pathlib import Path

from tollkeeper.infra.embedded.locks import hand_to_owner_of

_LIMIT_BYTES = 20 * 2**20
_TAIL_BYTES = 4096
_TAIL_LINES = 12


class PostgresLog:
    """The log, open for appending; PostgreSQL inherits the descriptor."""

    def __init__(self, path: Path, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._descriptor = _open_for_append(path)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, sentence: str) -> None:
        """Appends a line; a full disk is not a reason to stop keeping."""
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        with contextlib.suppress(OSError):
            os.write(self._descriptor, f"{now} keeper[{os.getpid()}]: {sentence}\n".encode())

    def size_bytes(self) -> int:
        return os.fstat(self._descriptor).st_size

    def bound(self) -> None:
        """Moves a log that has grown too long to `postgres.log.1` and starts it afresh.

        It is copied and cut, not renamed: a running PostgreSQL keeps the file open, and appends
        from the new beginning.
        """
        if self.size_bytes() <= self._limit_bytes:
            return
        # Where the copy fails, the disk is full, and the log does not deserve the room either.
        with contextlib.suppress(OSError):
            self._copy_to(self._path.with_name(f"{self._path.name}.1"))
        os.ftruncate(self._descriptor, 0)

    def _copy_to(self, former: Path) -> None:
        former.unlink(missing_ok=True)
        with (
            self._path.open("rb") as source,
            os.fdopen(_open_for_append(former), "wb") as target,
        ):
            shutil.copyfileobj(source, target)


def last_lines(path: Path, from_byte: int = 0) -> str:
    """The last lines of the log, none of them older than the byte `from_byte`."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(min(from_byte, size), size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


def _open_for_append(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    hand_to_owner_of(path.parent, descriptor)
    return descriptor
