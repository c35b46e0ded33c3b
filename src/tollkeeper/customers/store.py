"""All SQL of customers."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    TextClause,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.customers.model import Customer
from tollkeeper.customers.tables import customers
from tollkeeper.kernel.currency import currency
from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.ids import CustomerId, parse_uuid
from tollkeeper.kernel.pages import Page, PageOf
from tollkeeper.kernel.scope import Scope

# The words are cut by the very expression of the column, so that what was stored is found, and
# no operator of the query language is left in them.
_SEARCH = text(
    """
    customers.search @@ (
        select to_tsquery('simple', string_agg(quote_literal(word) || ':*', ' & '))
          from unnest(tsvector_to_array(to_tsvector(
                   'simple', regexp_replace(:words, '[^[:alnum:]]+', ' ', 'g')))) as word)
    """
)


async def insert_customer(scope: Scope, db: AsyncConnection, customer: Customer) -> None:
    await db.execute(customers.insert().values(provider_id=scope.provider_id, **_columns(customer)))


async def find_customer(
    scope: Scope, db: AsyncConnection, reference: str, *, lock: bool = False
) -> Customer | None:
    """By id or external id; where both fit different customers, our id wins.

    lock: keep others from changing the row until the transaction ends.
    """
    query = select(customers).where(customers.c.provider_id == scope.provider_id)
    try:
        id_ = parse_uuid(reference)
    except InvalidValue:
        query = query.where(customers.c.external_id == reference)
    else:
        query = query.where(or_(customers.c.id == id_, customers.c.external_id == reference))
        query = query.order_by(case((customers.c.id == id_, 0), else_=1))
    query = query.limit(1)
    row = (await db.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return _customer(row) if row else None


async def list_customers(
    scope: Scope,
    db: AsyncConnection,
    page: Page,
    *,
    search: str | None,
    filters: dict[str, str],
) -> PageOf[Customer]:
    """Newest first. search: every word must begin a word of name, e-mail or external id."""
    conditions: list[ColumnElement[bool] | TextClause] = [
        customers.c.provider_id == scope.provider_id
    ]
    if search is not None:
        conditions.append(_SEARCH.bindparams(words=search))
    conditions += [customers.c[column] == wanted for column, wanted in filters.items()]
    total = await db.scalar(select(func.count()).select_from(customers).where(*conditions))
    rows = await db.execute(
        select(customers)
        .where(*conditions)
        .order_by(customers.c.id.desc())
        .limit(page.limit)
        .offset(page.offset)
    )
    return PageOf(tuple(map(_customer, rows.mappings())), total or 0, page)


async def update_customer(scope: Scope, db: AsyncConnection, customer: Customer) -> None:
    await db.execute(
        update(customers)
        .where(customers.c.provider_id == scope.provider_id, customers.c.id == customer.id)
        .values(**_columns(customer))
    )


async def delete_customer(scope: Scope, db: AsyncConnection, customer_id: UUID) -> None:
    """Raises IntegrityError where another table still refers to the customer."""
    await db.execute(
        delete(customers).where(
            customers.c.provider_id == scope.provider_id, customers.c.id == customer_id
        )
    )


def _columns(customer: Customer) -> dict[str, Any]:
    return {
        "id": customer.id,
        "external_id": customer.external_id,
        "name": customer.name,
        "email": customer.email,
        "currency": customer.currency.code if customer.currency else None,
        "timezone": customer.timezone,
        "country": customer.country,
        "address": dict(customer.address) if customer.address is not None else None,
        "tax_id": customer.tax_id,
        "metadata": dict(customer.metadata),
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
    }


def _customer(row: RowMapping) -> Customer:
    return Customer(
        id=CustomerId(row["id"]),
        external_id=row["external_id"],
        name=row["name"],
        email=row["email"],
        currency=currency(row["currency"]) if row["currency"] else None,
        timezone=row["timezone"],
        country=row["country"],
        address=row["address"],
        tax_id=row["tax_id"],
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
