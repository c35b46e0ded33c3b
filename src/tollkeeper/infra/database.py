"""Connections to PostgreSQL, in the two roles that the program plays.

The *application* role answers requests and runs jobs. Row-level security binds it to the provider
whose id stands in `tollkeeper.provider_id` for the transaction: without it, no row is there.
The *operator* role owns the tables; migrations, `doctor` and the command line use it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tollkeeper.infra.tables import APP_ROLE, SCHEMA
from tollkeeper.kernel.scope import Scope

JOBS_SCHEMA = "procrastinate"

# A request that waits longer than this for a lock or a statement is better refused and retried.
_APPLICATION_LIMITS = "-c lock_timeout=10s -c statement_timeout=60s"
# Of what a server or a database may set by default, the code relies on these.
_SESSION = (
    f"-c search_path={SCHEMA},{JOBS_SCHEMA} -c timezone=UTC "
    r"-c default_transaction_isolation=read\ committed"
)
_SET_PROVIDER = text("select set_config('tollkeeper.provider_id', :provider_id, true)")


@dataclass(frozen=True)
class DatabaseUrls:
    """One database, reached as the application and as the operator (libpq connection strings)."""

    application: str
    operator: str

    @classmethod
    def of(cls, url: str) -> "DatabaseUrls":
        """Derive both from the operator's `postgresql://` URL.

        The role is set by the connection's start-up options, so that `RESET ROLE` leads back to
        the application role and not past row-level security.
        """
        given = str(conninfo_to_dict(url).get("options") or "")

        def with_options(*options: str) -> str:
            return make_conninfo(url, options=" ".join((given, *options)).strip())

        return cls(
            application=with_options(_SESSION, _APPLICATION_LIMITS, f"-c role={APP_ROLE}"),
            operator=with_options(_SESSION),
        )


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _to_json(value: Any) -> str:
    """JSON whose numbers are exact, in both directions."""
    return _ENCODER.encode(value).decode()


async def connect_directly(conninfo: str) -> psycopg.AsyncConnection:
    """A connection of the driver's own, where each statement is a transaction.

    For what is one statement by design: settling a batch, listening for changes.
    """
    return await psycopg.AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=0)


class Database:
    """A pool of connections in one role. Transactions are begun and ended only here."""

    def __init__(self, conninfo: str, *, pool_size: int) -> None:
        self._engine = _engine(conninfo, pool_size)
        self._check_engine = _engine(conninfo, 1)

    @asynccontextmanager
    async def transaction(self, scope: Scope | None = None) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        With a scope, the provider's rows are visible; without one (as the application), none.
        """
        async with self._engine.begin() as connection:
            if scope is not None:
                await enter_scope(scope, connection)
            yield connection

    @asynccontextmanager
    async def check(self) -> AsyncIterator[AsyncConnection]:
        """A transaction on a connection kept apart, for the question whether the database is well.

        It reaches the database however busy the pool is.
        """
        async with self._check_engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()
        await self._check_engine.dispose()


def _engine(conninfo: str, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        make_url("postgresql+psycopg://"),
        connect_args=conninfo_to_dict(conninfo),
        pool_size=pool_size,
        max_overflow=0,
        # What people typed does not belong in logs, and errors quote it.
        hide_parameters=True,
        pool_timeout=5,
        # One round trip more, and a restarted database costs no request its answer.
        pool_pre_ping=True,
        json_serializer=_to_json,
        json_deserializer=partial(json.loads, parse_float=Decimal),
    )


async def enter_scope(scope: Scope, connection: AsyncConnection) -> None:
    """Make the rows of this provider visible, until the transaction ends."""
    await connection.execute(_SET_PROVIDER, {"provider_id": str(scope.provider_id)})
