"""The gate of one process: its lanes, and the callers it remembers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tollkeeper.gate.lane import Lane
from tollkeeper.gate.recorder import Recorder
from tollkeeper.infra.notifications import Listener
from tollkeeper.infra.runtime import Runtime
from tollkeeper.providers.remembered_tokens import RememberedTokens


@dataclass(frozen=True, slots=True)
class Gate:
    """What the hot routes work with.

    lane: uses that ask, and are refused if they do not fit. recorder: usage that has happened.
    """

    tokens: RememberedTokens
    lane: Lane
    recorder: Recorder


@asynccontextmanager
async def open_gate(runtime: Runtime) -> AsyncIterator[Gate]:
    """Open it; at the end, settle what was accepted before the connections close."""
    listener = Listener(runtime.urls.application)
    tokens = RememberedTokens(
        runtime.database,
        listener,
        clock=runtime.clock.now,
        base_domains=runtime.settings.base_domains,
    )
    lane = Lane(runtime.urls.application, clock=runtime.clock.now)
    recorder = Recorder(runtime.urls.application, clock=runtime.clock.now)
    async with listener.listening():
        lane.start()
        try:
            yield Gate(tokens, lane, recorder)
        finally:
            await lane.drain()
            await recorder.close()
