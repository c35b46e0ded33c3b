import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.conftest import NewSeller, Seller, operate

from tollkeeper.infra.database import Database
from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.pages import Page
from tollkeeper.providers import queries, store

CHANGES = (
    "update audit_entries set actor_id = 'somebody else' where provider_id = :id",
    "delete from audit_entries where provider_id = :id",
    "truncate audit_entries",
)


async def refusal_of(database: Database, seller: Seller, statement: str) -> str:
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction(seller.scope) as db:
            await db.execute(text(statement), {"id": seller.id} if ":id" in statement else {})
    return str(refused.value.orig)


@pytest.mark.parametrize("statement", CHANGES)
async def test_the_application_cannot_change_the_audit_trail(
    seller: Seller, runtime: Runtime, statement: str
) -> None:
    """It was granted reading and appending, nothing else."""
    words = await refusal_of(runtime.database, seller, statement)
    assert "permission denied for table audit_entries" in words


@pytest.mark.parametrize("statement", CHANGES)
async def test_not_even_its_owner_can_change_the_audit_trail(
    seller: Seller, runtime: Runtime, statement: str
) -> None:
    """The table itself refuses, and says what to do instead."""
    words = await refusal_of(runtime.operator, seller, statement)
    assert "audit_entries is append-only: a correction is a new row" in words


@pytest.mark.parametrize(
    "statement",
    [
        "update providers set name = 'x'",
        "insert into providers values (gen_random_uuid(), 'x', 'x', now())",
        "insert into provider_domains values ('a.b', current_provider(), now())",
        "delete from access_tokens",
        "delete from facts",
        "update facts set name = 'x'",
        "update idempotency_keys set status = 200",
        "truncate customers",
        "alter table audit_entries disable trigger append_only",
        "drop policy one_provider on customers",
    ],
)
async def test_the_application_can_do_no_more_than_its_work_needs(
    seller: Seller, runtime: Runtime, statement: str
) -> None:
    """Whoever finds a way to run SQL as the application finds these doors shut."""
    words = await refusal_of(runtime.database, seller, statement)
    assert "permission denied" in words or "must be owner" in words


async def test_every_statement_names_whose_data_it_is(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """The first wall holds alone: on the operator's connection no policy stands behind it."""
    a, b = await new_seller(), await new_seller()
    number = int(a.admin.headers["authorization"].split()[1].partition("|")[0])
    token_id = AccessTokenId(number)
    async with operate(runtime, b.scope) as work:
        assert await store.get_token(work.scope, work.db, token_id) is None
        tokens = await store.list_tokens(work.scope, work.db, Page())
        assert (tokens.total, token_id in {one.id for one in tokens.items}) == (3, False)
        assert not await store.revoke_token(work.scope, work.db, token_id, work.now)
        await store.touch_token(work.scope, work.db, token_id, work.now)
        entries = await queries.list_audit_entries(work, before=None, limit=100, filters={})
        assert len(entries.items) == 4
    async with operate(runtime, a.scope) as work:
        mine = await queries.get_access_token(work, token_id)
    assert (mine.revoked_at, mine.last_used_at) == (None, None)
