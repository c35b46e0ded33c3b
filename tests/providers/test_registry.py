from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.conftest import NewSeller, Seller, operate

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.ids import new_uuid7
from tollkeeper.kernel.scope import Scope
from tollkeeper.providers.create_provider import add_domain
from tollkeeper.providers.registry import find_provider, identify, list_providers

# What the test below leaves rows in, so that their absence elsewhere says something.
FILLED = {
    "access_tokens",
    "audit_entries",
    "customers",
    "facts",
    "idempotency_keys",
    "provider_domains",
    "providers",
}
_INSERT = text(
    "insert into customers (provider_id, id, name, email, timezone, metadata, created_at,"
    " updated_at) values (:provider, :id, 'x', 'x@y', 'UTC', '{}', now(), now())"
)


async def rows_seen(runtime: Runtime, scope: Scope | None) -> dict[str, Sequence[Any]]:
    """What the application reads where a query forgot to say whose data it wants."""
    async with runtime.operator.transaction() as operator:
        tables = await operator.execute(
            text(
                "select tablename from pg_tables where schemaname = 'tollkeeper' and"
                " has_table_privilege('tollkeeper_app', schemaname || '.' || tablename, 'select')"
            )
        )
        names = {str(name) for name in tables.scalars()} - {"alembic_version"}
    async with runtime.database.transaction(scope) as db:
        return {name: (await db.execute(text(f"select * from {name}"))).all() for name in names}


async def test_a_query_without_a_scope_sees_no_row(seller: Seller, runtime: Runtime) -> None:
    """The second wall: a forgotten condition yields an empty answer, not another company's data."""
    body = {"name": "Ada", "email": "ada@example.com"}
    await seller.writer.post("/customers", json=body, headers={"Idempotency-Key": "k"})
    async with operate(runtime, seller.scope) as work:
        await add_domain(work, f"{seller.slug}.example", ("localhost",))
    seen = await rows_seen(runtime, None)
    assert {name: rows for name, rows in seen.items() if rows} == {}
    mine = await rows_seen(runtime, seller.scope)
    assert FILLED - {name for name, rows in mine.items() if rows} == set()
    for name, rows in mine.items():
        owner = "id" if name == "providers" else "provider_id"
        assert {getattr(row, owner) for row in rows} <= {seller.id}


async def test_nothing_can_be_written_for_another_provider(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """The policy checks what is written too, whatever the code says."""
    a, b = await new_seller(), await new_seller()
    for scope in (a.scope, None):
        with pytest.raises(DBAPIError, match="row-level security"):
            async with runtime.database.transaction(scope) as db:
                await db.execute(_INSERT, {"provider": b.id, "id": new_uuid7()})


async def test_a_scope_ends_with_its_transaction(seller: Seller, runtime: Runtime) -> None:
    """The next user of the connection starts without one."""
    for _ in range(runtime.settings.database_pool_size + 1):
        async with runtime.database.transaction(seller.scope) as db:
            assert await db.scalar(text("select count(*) from access_tokens")) == 3
        async with runtime.database.transaction() as db:
            assert await db.scalar(text("select count(*) from access_tokens")) == 0


async def test_resetting_the_role_leads_back_to_the_application(runtime: Runtime) -> None:
    """The role comes with the connection, so one statement does not shed it."""
    async with runtime.database.transaction() as db:
        await db.execute(text("reset role"))
        assert await db.scalar(text("select current_user")) == "tollkeeper_app"


async def test_identification_shows_one_provider_and_its_own_token(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """The one look-up past the policies answers a row at most, and never another's token."""
    a, b = await new_seller(), await new_seller()
    number = int(a.admin.headers["authorization"].split()[1].partition("|")[0])
    async with runtime.database.transaction() as db:
        mine = await identify(db, slug=a.slug, domain="", token_id=number)
        others = await identify(db, slug=b.slug, domain="", token_id=number)
        nobody = await identify(db, slug=None, domain="nobody.example", token_id=number)
    assert mine is not None
    assert others is not None
    assert (mine.provider.id, mine.token and mine.token.id) == (a.id, number)
    assert (others.provider.id, others.token, others.secret_hash) == (b.id, None, None)
    assert nobody is None


async def test_a_domain_of_ones_own_wins_over_a_sub_domain(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """A host that fits both leads to one provider, always the same."""
    a, b = await new_seller(), await new_seller()
    domain = f"{a.slug}.localhost"
    async with operate(runtime, b.scope) as work:
        # Added before `localhost` became a base domain of this installation.
        await add_domain(work, domain, base_domains=())
        found = await identify(work.db, slug=a.slug, domain=domain, token_id=-1)
        assert found is not None
        assert found.provider.id == b.id
        await work.db.rollback()


async def test_the_operator_sees_every_provider_with_its_domains(
    seller: Seller, runtime: Runtime
) -> None:
    """`tollkeeper providers list` is complete."""
    async with operate(runtime, seller.scope) as work:
        for domain in ("b.example", "a.example"):
            await add_domain(work, f"{seller.slug}.{domain}", ("localhost",))
        [listed] = [one for one in await list_providers(work.db) if one.id == seller.id]
        assert listed.domains == (f"{seller.slug}.a.example", f"{seller.slug}.b.example")
        assert (await find_provider(work.db, seller.slug)).id == seller.id
        with pytest.raises(CodedError, match=r"providers\.not_found"):
            await find_provider(work.db, "nobody")
