"""Reads of customers."""

from tollkeeper.customers import store
from tollkeeper.customers.errors import CUSTOMER_NOT_FOUND
from tollkeeper.customers.model import Customer
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.pages import Page, PageOf


async def get_customer(work: UnitOfWork, reference: str, *, lock: bool = False) -> Customer:
    """By id or external id. Raises customers.not_found."""
    customer = await store.find_customer(work.scope, work.db, reference, lock=lock)
    if customer is None:
        raise CUSTOMER_NOT_FOUND.error(f"there is no customer {reference!r}")
    return customer


async def list_customers(
    work: UnitOfWork, page: Page, *, search: str | None, filters: dict[str, str]
) -> PageOf[Customer]:
    """Newest first; filters compare fields of the same name."""
    return await store.list_customers(work.scope, work.db, page, search=search, filters=filters)
