"""The database is what the code says, and holds its walls; each law of `doctor` can be broken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, MetaData, Table, Uuid, func, select
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.architecture.source import explained
from tests.conftest import NewSeller

from tollkeeper.infra import migrate
from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.invariants import Invariant
from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.tables import APP_ROLE, SCHEMA, metadata
from tollkeeper.kernel.scope import Scope
from tollkeeper.main import INVARIANTS

_JOB = (
    "insert into procrastinate_jobs (queue_name, task_name, status) "
    "values ('default', 'tests:nothing', '{}')"
)
# What the owner of the database can do, and nobody should.
_OPEN_EVENTS = "alter table usage_events disable trigger append_only"
_OPEN_ENTRIES = "alter table credit_entries disable trigger append_only"
_TWICE = (
    "select usage_segment_switch(now()); insert into usage_events select dedupe_key, "
    "provider_id, customer_id, occurred_at, recorded_at, transaction_no, segment_no + 1, "
    "settled_against, amount, cost, balance_after, allowance_after, reason, request_id, key_id, "
    "properties from usage_events "
    "where segment_no = (select max(segment_no) - 1 from usage_segments)"
)
# What breaks each law of `doctor`: each of its statements, undone afterwards.
BREAKS = {
    "acknowledged means committed, and committed means on disk": [
        "set local synchronous_commit = off",
    ],
    "every table of a provider's is protected by row-level security": [
        "alter table customers disable row level security",
        "drop policy one_provider on facts",
        "create table forgotten (provider_id uuid not null, id uuid not null)",
        "create policy everyone on customers using (true)",
        "create policy nearly on customers using (true or provider_id = current_provider())",
    ],
    "no job has failed for good": [
        _JOB.format("failed"),
        _JOB.format("aborted"),
    ],
    "requests run as a role that row-level security binds": [
        f"grant create on schema {SCHEMA} to {APP_ROLE}; alter table customers owner to {APP_ROLE}",
    ],
    "the audit trail cannot be changed": [
        "drop trigger append_only on audit_entries",
        "alter table audit_entries disable trigger append_only_whole",
    ],
    "the ledger cannot be changed": ["drop trigger append_only on credit_entries"],
    "usage events cannot be changed": ["drop trigger append_only on usage_events"],
    "a wallet holds what its ledger entries sum to": [
        "update credit_wallets set available = available + 1",
        f"{_OPEN_ENTRIES}; update credit_entries set amount = amount + 1",
    ],
    "what is available is what is left of the grants": [
        "update credit_wallets set lot_remaining = lot_remaining + 1",
    ],
    "each ledger entry starts where the one before it ended": [
        f"{_OPEN_ENTRIES}; update credit_entries set from_after = from_after + 1",
    ],
    "every debit has its event, and every event its debit": [
        f"{_OPEN_EVENTS}; update usage_events set cost = cost + 1",
        f"{_OPEN_EVENTS}; delete from usage_events",
    ],
    "the hourly rollups equal the events": [
        "update usage_rollups set amount = amount + 1",
        "delete from usage_rollups",
        f"{_OPEN_EVENTS}; delete from usage_events",
    ],
    "a request id is recorded once": [_TWICE],
    "every customer's time zone and currency is one that we can compute in": [
        "update customers set timezone = 'Mars/Olympus_Mons'",
        "update customers set currency = 'xyz'",
    ],
}
# Found by their own number, before their provider is known or by nobody but their holder.
OWN_KEYS = {
    "providers": "id",
    "provider_domains": "domain",
    "access_tokens": "id",
    # The hot path reads these by ids of our own, which are nobody else's; a provider more in each
    # key would be 16 bytes more to write per event.
    "usage_rollups": "customer_id",
    "plan_allowances": "customer_id",
    "credit_wallets": "wallet_id",
    "credit_grants": "grant_id",
}
# Of the installation, not of a provider: the application cannot read them.
NOBODYS = {"usage_segments", "usage_ids"}
# Without a key: partitions, each with a unique index of its own.
LOGS = {"usage_events", "credit_entries"}


class OneTransaction(Database):
    """A database whose every transaction is the given, open one."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self, scope: Scope | None = None) -> AsyncIterator[AsyncConnection]:
        assert scope is None
        yield self._connection


def test_the_tables_are_those_of_the_code(urls: DatabaseUrls) -> None:
    """No migration was forgotten, and none does something else than the code says."""
    assert migrate.pending(urls.operator) == []
    migrate.check(urls.operator)


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.law)
async def test_every_law_of_the_doctor_holds(invariant: Invariant, runtime: Runtime) -> None:
    """A fresh database is healthy."""
    assert await invariant.faults(runtime) == []


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.law)
async def test_every_law_of_the_doctor_can_be_broken(
    invariant: Invariant, runtime: Runtime, new_seller: NewSeller
) -> None:
    """What `doctor` asks finds the fault when there is one."""
    assert BREAKS.get(invariant.law), "add to BREAKS in this test what breaks this law"
    seller = await new_seller()
    created = await seller.writer.post("/customers", json={"name": "A", "email": "a@example.com"})
    assert created.status_code == 201
    customer = created.json()["data"]["id"]
    grant = {"customer_id": customer, "amount": 10, "kind": "paid"}
    assert (await seller.writer.post("/credits/grants", json=grant)).status_code == 201
    use = {"customer_id": customer, "amount": 1, "reason": "calls", "request_id": "r"}
    assert (await seller.writer.post("/credits/consume", json=use)).status_code == 200
    for statements in BREAKS[invariant.law]:
        async with runtime.operator.transaction() as db:
            undone = await db.begin_nested()
            for statement in statements.split(";"):
                await db.execute(sql(statement))
            faults = await invariant.faults(replace(runtime, operator=OneTransaction(db)))
            await undone.rollback()
        assert faults, f"{statements} went unnoticed"
    assert await invariant.faults(runtime) == []


async def test_the_operators_connection_is_not_mistaken_for_the_applications(
    runtime: Runtime,
) -> None:
    """A pooler that drops the role from the start-up options is noticed."""
    law = next(one for one in INVARIANTS if one.law.startswith("requests run as"))
    faults = await law.faults(replace(runtime, database=runtime.operator))
    assert any("requests run as" in fault for fault in faults)


async def test_without_a_scope_no_row_is_there(runtime: Runtime, new_seller: NewSeller) -> None:
    """A query that forgets the provider answers nothing; one in a scope, that provider's alone."""
    sellers = [await new_seller(), await new_seller()]
    for seller in sellers:
        await seller.writer.post("/customers", json={"name": "A", "email": "a@example.com"})
    for table in metadata.sorted_tables:
        if table.name in NOBODYS:
            continue
        owner = table.c["id" if table.name == "providers" else "provider_id"]
        owners = select(owner).distinct()
        async with runtime.database.transaction() as db:
            assert await db.scalar(select(func.count()).select_from(table)) == 0, table.name
        for seller in sellers:
            async with runtime.database.transaction(seller.scope) as db:
                seen = set(await db.scalars(owners))
            assert seen <= {seller.id}, table.name
    async with runtime.operator.transaction() as db:
        customers = metadata.tables["customers"]
        seen = set(await db.scalars(select(customers.c.provider_id).distinct()))
    assert {seller.id for seller in sellers} <= seen


async def test_few_functions_pass_the_policies(operator: AsyncConnection) -> None:
    """Each of them names the provider in every look-up; another one needs a reason."""
    found = await operator.scalars(
        sql(
            "select proname from pg_proc where prosecdef "
            "and pronamespace = cast(:schema as regnamespace)"
        ),
        {"schema": SCHEMA},
    )
    # `settle` takes a batch of many providers; nobody writes to the ledger but by functions.
    assert set(found) == {
        "identify",
        "settle",
        "credit_grant_add",
        "credit_bring_up_to_date",
    }


def _keys_without_provider(tables: MetaData) -> list[str]:
    faults = []
    for table in tables.sorted_tables:
        if table.name in NOBODYS | LOGS:
            continue
        key = [column.name for column in table.primary_key]
        wanted = OWN_KEYS.get(table.name, "provider_id")
        if key[:1] != [wanted]:
            faults.append(f"{table.name} has the primary key {key}")
        if table.name != "providers" and "provider_id" not in table.c:
            faults.append(f"{table.name} does not say whose its rows are")
        for constraint in table.foreign_key_constraints:
            target = constraint.referred_table.name
            if target != "providers" and "provider_id" not in constraint.column_keys:
                faults.append(f"{table.name} refers to {target} across providers")
    return faults


def test_every_key_contains_the_provider() -> None:
    """A row that belongs to one provider and points to another's cannot be written."""
    if faults := _keys_without_provider(metadata):
        remedy = "the primary key is (provider_id, id), foreign keys contain provider_id"
        pytest.fail(explained(faults, remedy), pytrace=False)


def test_planted_keys_without_provider_are_found() -> None:
    """The test above can fail, for each of its reasons."""
    planted = MetaData()
    Table("providers", planted, Column("id", Uuid, primary_key=True))
    owner = Column("provider_id", Uuid, ForeignKey("providers.id"), primary_key=True)
    Table("meters", planted, owner, Column("id", Uuid, primary_key=True, unique=True))
    assert not _keys_without_provider(planted)
    Table(
        "events",
        planted,
        Column("id", Uuid, primary_key=True),
        Column("meter_id", Uuid),
        ForeignKeyConstraint(["meter_id"], ["meters.id"]),
    )
    faults = _keys_without_provider(planted)
    assert faults == [
        "events has the primary key ['id']",
        "events does not say whose its rows are",
        "events refers to meters across providers",
    ]
