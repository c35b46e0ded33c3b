"""Settling by the SQL function itself, without lane or HTTP in between."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.conftest import NewSeller, Seller

from tollkeeper.infra.runtime import Runtime

SETTLE = text("select * from settle(cast(:batch as json), :at, :refuse)")


@dataclass(frozen=True)
class Answer:
    """What became of one item."""

    outcome: str
    cost: Decimal | None
    balance: Decimal | None
    allowance: Decimal | None = None
    warning: bool = False

    @property
    def figures(self) -> tuple[object, ...]:
        return self.outcome, self.cost, self.balance


@dataclass
class Till:
    """A provider's customers, and batches of their usage."""

    seller: Seller
    runtime: Runtime
    customers: list[UUID] = field(default_factory=list)

    async def customer(self, grant: int | str | None = None) -> UUID:
        """A new customer, with this many paid credits."""
        body = {"name": "A", "email": "a@example.com"}
        made = await self.seller.writer.post("/customers", json=body)
        customer = UUID(made.json()["data"]["id"])
        if grant is not None:
            await self.grant(customer, grant)
        self.customers.append(customer)
        return customer

    async def grant(
        self,
        customer: UUID,
        amount: int | str,
        *,
        kind: str = "paid",
        priority: int = 0,
        effective: datetime | None = None,
        expires: datetime | None = None,
    ) -> UUID:
        grant = uuid4()
        now = self.runtime.clock.now()
        query = text(
            "select credit_grant_add(:provider, :customer, 'credits', :grant, :amount, :kind, "
            ":priority, :effective, :expires, null, :at)"
        )
        values = {
            "provider": self.seller.id,
            "customer": customer,
            "grant": grant,
            "amount": Decimal(amount),
            "kind": kind,
            "priority": priority,
            "effective": effective or now,
            "expires": expires,
            "at": now,
        }
        async with self.runtime.database.transaction(self.seller.scope) as db:
            assert await db.scalar(query, values) is True
        return grant

    def use(
        self,
        customer: UUID | str,
        amount: int | str,
        request_id: str | None = None,
        *,
        reason: str = "calls",
        properties: object = None,
        occurred_at: datetime | None = None,
        provider: UUID | None = None,
    ) -> dict[str, object]:
        """One item of a batch."""
        item: dict[str, object] = {
            "p": str(provider or self.seller.id),
            "r": reason,
            "a": str(amount),
            "i": request_id or str(uuid4()),
            "t": (occurred_at or self.runtime.clock.now()).isoformat(),
            "x": properties,
        }
        item["c" if isinstance(customer, UUID) else "e"] = str(customer)
        return item

    async def settle(
        self, *batch: dict[str, object], refuse: bool = True, db: AsyncConnection | None = None
    ) -> list[Answer]:
        values = {"batch": json.dumps(batch), "at": self.runtime.clock.now(), "refuse": refuse}
        if db is not None:
            return _answers((await db.execute(SETTLE, values)).one())
        async with self.runtime.database.transaction() as own:
            return _answers((await own.execute(SETTLE, values)).one())

    async def one(self, query: str, **values: object) -> object:
        """A single value, seen by the operator."""
        async with self.runtime.operator.transaction() as db:
            return await db.scalar(text(query), values)


def _answers(row: Sequence[Sequence[object]]) -> list[Answer]:
    outcomes, _customers, costs, balances, allowances, warnings = row
    return [
        Answer(str(outcome), _number(cost), _number(balance), _number(allowance), bool(warning))
        for outcome, cost, balance, allowance, warning in zip(
            outcomes, costs, balances, allowances, warnings, strict=True
        )
    ]


def _number(digits: object) -> Decimal | None:
    return None if digits is None else Decimal(str(digits))


NewTill = Callable[[], Awaitable[Till]]


@pytest.fixture
async def new_till(new_seller: NewSeller, runtime: Runtime) -> NewTill:
    async def make() -> Till:
        return Till(await new_seller(), runtime)

    return make


@pytest.fixture
async def till(new_till: NewTill) -> Till:
    return await new_till()
