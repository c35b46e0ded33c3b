"""Starting programs in a process that also forks.

A child that is forked in the midst of `subprocess.Popen` keeps the write ends of its pipes, and
Popen waits for their end, by which it learns that the program has begun, for as long as that child
lives. Granian forks its server processes in the main thread, while threads start programs.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Re-entrant, for a Popen that calls these hooks itself (with `preexec_fn`).
_forking = threading.RLock()


@contextmanager
def no_forks() -> Iterator[None]:
    """While the block runs, which is to be short, forks of other threads wait."""
    with _forking:
        yield


os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_forking.release
)
