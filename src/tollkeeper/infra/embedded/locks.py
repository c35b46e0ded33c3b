"""Locks that the kernel gives back when a process ends, however it ends (flock(2))."""

import fcntl
import os
import time
from pathlib import Path

# To insist is to ask for longer than `is_held_exclusively` takes to answer.
INSIST_SECONDS = 0.2
_POLL_SECONDS = 0.02


class FileLock:
    """A lock on one file, through a descriptor of its own.

    The descriptor is closed on exec, so a started program holds the lock only when it is passed
    the descriptor on purpose. A forked child shares it until it is closed there.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes it if it is missing; raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        hand_to_owner_of(path.parent, self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def take_shared(self, timeout_seconds: float = 0) -> bool:
        return self._take(fcntl.LOCK_SH, timeout_seconds)

    def take_exclusive(self, timeout_seconds: float = 0) -> bool:
        return self._take(fcntl.LOCK_EX, timeout_seconds)

    def wait_exclusive(self) -> None:
        """Blocks until every other holder is gone."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Gives back this process's hold; idempotent.

        The lock itself ends with the last copy of the descriptor, here or in a child.
        """
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _take(self, kind: int, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_POLL_SECONDS)
            else:
                return True


def is_held_exclusively(path: Path) -> bool:
    """Whether somebody holds the lock.

    The question takes the lock for an instant; so one refusal proves nothing to those who want it,
    and they insist.
    """
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.take_shared()
    finally:
        lock.close()


def hand_to_owner_of(directory: Path, descriptor: int) -> None:
    """What root makes in another user's directory belongs to that user, who needs it later."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
