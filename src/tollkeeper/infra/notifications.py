"""Word of changes, pushed by the transaction that made them to every process that caches.

A cache may be trusted only while `Listener.is_listening`: when the connection drops, changes may
be missed, so caches are emptied, and bypassed until it is back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import structlog
from sqlalchemy import text

from tollkeeper.infra.database import connect_directly
from tollkeeper.infra.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

_CHANNEL = "tollkeeper_changes"
_NOTIFY = text("select pg_notify(:channel, :word)")
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 5.0


async def notify(work: UnitOfWork, topic: str, subject: object) -> None:
    """Tell every process, when this transaction commits, that the subject has changed."""
    await work.db.execute(_NOTIFY, {"channel": _CHANNEL, "word": f"{topic} {subject}"})


class Listener:
    """One connection that hears what `notify` says.

    on_change(topic, subject) is called for each word; on_lost() whenever words may have been
    missed. Both must be quick and must not raise.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self.is_listening = False
        self.on_change: list[Callable[[str, str], None]] = []
        self.on_lost: list[Callable[[], None]] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs; the first attempt has been made when it begins."""
        tried = asyncio.Event()
        task = asyncio.create_task(self._listen(tried))
        try:
            await tried.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, tried: asyncio.Event) -> None:
        while True:
            try:
                async with await connect_directly(self._conninfo) as connection:
                    await connection.execute(f"listen {_CHANNEL}")
                    self.is_listening = True
                    tried.set()
                    while True:
                        async for word in connection.notifies(timeout=_LOOK_SECONDS):
                            self._tell(word.payload)
                        # A connection that has silently gone fails here, not never.
                        async with asyncio.timeout(_LOOK_SECONDS):
                            await connection.execute("select 1")
            except (psycopg.Error, TimeoutError) as error:
                log.warning("changes cannot be heard", cause=str(error))
            finally:
                self.is_listening = False
                for on_lost in self.on_lost:
                    on_lost()
            tried.set()
            await asyncio.sleep(_PAUSE_SECONDS)

    def _tell(self, word: str) -> None:
        topic, _, subject = word.partition(" ")
        for on_change in self.on_change:
            on_change(topic, subject)
