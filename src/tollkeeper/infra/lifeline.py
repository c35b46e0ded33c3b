"""A process that belongs to another one does not outlive it, however that one died."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_LOOK_SECONDS = 0.5


@asynccontextmanager
async def bound_to(parent: int) -> AsyncIterator[None]:
    """While the block runs: once the parent (a process id) is gone, ask this one to shut down.

    The parent says its id when it starts this process: it may be gone before one can ask for it.
    """
    watch = asyncio.create_task(_terminate_with(parent))
    try:
        yield
    finally:
        watch.cancel()


async def _terminate_with(parent: int) -> None:
    # Looking twice a second works on every system, and after kill -9 too.
    while os.getppid() == parent:  # noqa: ASYNC110 - there is no event for this
        await asyncio.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
