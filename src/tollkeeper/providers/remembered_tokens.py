"""Callers remembered in memory, for routes that cannot ask the database each time.

A revocation is pushed to every process by the transaction that makes it. While this process cannot
hear such word, nothing is remembered and the database is asked: a revoked token never passes.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from tollkeeper.infra.database import Database
from tollkeeper.infra.notifications import Listener
from tollkeeper.providers.authenticate import Principal, authenticate, note_use

ACCESS_TOKEN_CHANGED = "access_token"  # noqa: S105 - a topic, not a secret

# Asked anew after this long: keeps `last_used_at` true, and a moved domain from lasting.
_REMEMBERED = timedelta(seconds=60)
_MOST = 10_000


class _Known(NamedTuple):
    principal: Principal
    until: datetime


class RememberedTokens:
    """Authenticates like `authenticate`, mostly from memory. One per process."""

    def __init__(
        self,
        database: Database,
        listener: Listener,
        *,
        clock: Callable[[], datetime],
        base_domains: Sequence[str],
    ) -> None:
        self._database = database
        self._listener = listener
        self._clock = clock
        self._base_domains = base_domains
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        # Counts changes heard: what was read before one must not be remembered after it.
        self._heard = 0
        listener.on_change.append(self._on_change)
        listener.on_lost.append(self._forget)

    async def authenticate(self, host: str, authorization: str) -> Principal:
        """Raises what `authenticate` raises."""
        now = self._clock()
        known = self._known.get((host, authorization))
        if known is not None and now < known.until:
            return known.principal
        heard = self._heard
        async with self._database.transaction() as db:
            principal = await authenticate(
                db,
                host=host,
                authorization=authorization,
                base_domains=self._base_domains,
                now=now,
            )
            await note_use(db, principal, now)
        if self._listener.is_listening and heard == self._heard:
            until = min(now + _REMEMBERED, principal.expires_at or now + _REMEMBERED)
            self._known[host, authorization] = _Known(principal, until)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return principal

    def _on_change(self, topic: str, subject: str) -> None:
        if topic == ACCESS_TOKEN_CHANGED:
            self._heard += 1
            for key, known in list(self._known.items()):
                if str(known.principal.token_id) == subject:
                    del self._known[key]

    def _forget(self) -> None:
        self._heard += 1
        self._known.clear()
