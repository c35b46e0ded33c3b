"""What tests share: one real database, one application, and a provider of its own for each test."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.api.app import create_app
from tollkeeper.gate.gate import Gate, open_gate
from tollkeeper.infra.database import DatabaseUrls
from tollkeeper.infra.embedded.server import EmbeddedPostgres
from tollkeeper.infra.migrate import migrate
from tollkeeper.infra.runtime import Runtime, open_runtime
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.clock import ManualClock
from tollkeeper.kernel.ids import ProviderId, new_uuid7
from tollkeeper.kernel.scope import Actor, Permission, Scope
from tollkeeper.main import job_queue
from tollkeeper.providers.create_provider import create_provider
from tollkeeper.providers.issue_access_token import issue_access_token

START = datetime(2026, 6, 6, 12, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Seller:
    """A provider made for one test, with a client for each scope of token."""

    id: ProviderId
    slug: str
    admin: httpx.AsyncClient
    writer: httpx.AsyncClient
    reader: httpx.AsyncClient
    anonymous: httpx.AsyncClient

    @property
    def scope(self) -> Scope:
        return Scope(self.id)


NewSeller = Callable[[], Awaitable[Seller]]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tollkeeper")


@pytest.fixture(scope="session")
def urls(data_dir: Path) -> Iterator[DatabaseUrls]:
    """A migrated database of this test session."""
    with EmbeddedPostgres.join(data_dir) as server:
        urls = DatabaseUrls.of(server.url())
        migrate(urls.operator)
        yield urls


@pytest.fixture(scope="session")
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, _env_file=None)


@pytest.fixture(scope="session")
async def opened(settings: Settings, urls: DatabaseUrls) -> AsyncIterator[Runtime]:
    jobs = job_queue(urls.application)
    async with open_runtime(settings, urls, clock=ManualClock(START), jobs=jobs) as runtime:
        yield runtime


@pytest.fixture
def clock() -> ManualClock:
    """The clock of this test; it begins at START and moves when told."""
    return ManualClock(START)


@pytest.fixture
def runtime(opened: Runtime, clock: ManualClock) -> Runtime:
    return replace(opened, clock=clock)


@pytest.fixture(scope="session")
def session_app(opened: Runtime) -> FastAPI:
    """Without its life cycle: the server's start-up is tested with a real server."""
    return create_app(lambda: nullcontext(opened))


@pytest.fixture(scope="session")
async def gate(opened: Runtime) -> AsyncIterator[Gate]:
    async with open_gate(opened) as opened_gate:
        yield opened_gate


@pytest.fixture
def app(session_app: FastAPI, runtime: Runtime, gate: Gate) -> FastAPI:
    session_app.state.runtime = runtime
    session_app.state.gate = gate
    return session_app


@pytest.fixture
async def new_seller(app: FastAPI, runtime: Runtime) -> AsyncIterator[NewSeller]:
    """Makes providers, each with clients that speak to its own host name."""
    clients: list[httpx.AsyncClient] = []

    def client(slug: str, token: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        made = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url=f"http://{slug}.localhost/api/v1",
            headers=headers,
        )
        clients.append(made)
        return made

    async def make() -> Seller:
        slug = f"seller-{next(_numbers)}"
        tokens = {}
        async with operate(runtime, Scope(ProviderId(new_uuid7()))) as work:
            await create_provider(work, slug=slug, name=slug.title())
            for permission in Permission:
                _, tokens[permission] = await issue_access_token(
                    work, name=permission, permission=permission
                )
        return Seller(
            id=work.scope.provider_id,
            slug=slug,
            admin=client(slug, tokens[Permission.ADMIN]),
            writer=client(slug, tokens[Permission.WRITE]),
            reader=client(slug, tokens[Permission.READ]),
            anonymous=client(slug, None),
        )

    yield make
    for opened_client in clients:
        await opened_client.aclose()


@pytest.fixture
async def seller(new_seller: NewSeller) -> Seller:
    return await new_seller()


@pytest.fixture
async def operator(runtime: Runtime) -> AsyncIterator[AsyncConnection]:
    """A transaction of the database's owner, for looking behind the API."""
    async with runtime.operator.transaction() as connection:
        yield connection


@asynccontextmanager
async def operate(runtime: Runtime, scope: Scope) -> AsyncIterator[UnitOfWork]:
    """A unit of work of the operator, for what has no route."""
    async with runtime.operator.transaction() as db:
        yield UnitOfWork(
            scope=scope,
            db=db,
            jobs=runtime.jobs,
            now=runtime.clock.now(),
            actor=Actor("operator", "tests"),
        )
