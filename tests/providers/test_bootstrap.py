import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.conftest import Seller, operate

from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.migrate import migrate
from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.ids import ProviderId, new_uuid7
from tollkeeper.kernel.scope import Scope
from tollkeeper.providers.bootstrap import bootstrap
from tollkeeper.providers.registry import list_providers


@pytest.fixture
async def unused(runtime: Runtime, urls: DatabaseUrls) -> AsyncIterator[Runtime]:
    """The program on a database in which there is no provider yet."""
    name = "unused_of_a_test"
    with psycopg.connect(urls.operator, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        operator = Database(make_conninfo(urls.operator, dbname=name), pool_size=2)
        await asyncio.to_thread(migrate, make_conninfo(urls.operator, dbname=name))
        yield replace(runtime, operator=operator)
        await operator.close()
        connection.execute(f"drop database {name}")


async def test_two_first_starts_make_one_provider_and_one_token(unused: Runtime) -> None:
    """The second server waits, and finds a provider; the token is kept before the commit."""
    kept: list[str] = []

    async def start() -> str | None:
        async with operate(unused, Scope(ProviderId(new_uuid7()))) as work:
            return await bootstrap(work, kept.append)

    tokens = await asyncio.gather(start(), start())
    async with unused.operator.transaction() as operator:
        [provider] = await list_providers(operator)
    assert provider.slug == "default"
    assert [token for token in tokens if token] == kept
    assert len(kept) == 1


async def test_where_there_is_a_provider_no_token_is_made(seller: Seller, runtime: Runtime) -> None:
    """A restart gives nobody a new administrator."""
    kept: list[str] = []
    async with operate(runtime, seller.scope) as work:
        assert await bootstrap(work, kept.append) is None
    assert kept == []
