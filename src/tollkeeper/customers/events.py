"""What customers tell others, and how a customer looks in it."""

from typing import Any

from tollkeeper.customers.model import Customer
from tollkeeper.infra.outbox import Fact
from tollkeeper.kernel.clock import format_instant


def account_created(customer: Customer) -> Fact:
    """`account.created`: a customer was created."""
    return Fact("account.created", {"customer": describe(customer)}, subject_id=customer.id)


def describe(customer: Customer) -> dict[str, Any]:
    """The customer as JSON values, the same in events and in answers."""
    return {
        "id": str(customer.id),
        "external_id": customer.external_id,
        "name": customer.name,
        "email": customer.email,
        "currency": customer.currency.code if customer.currency else None,
        "timezone": customer.timezone,
        "country": customer.country,
        "address": dict(customer.address) if customer.address is not None else None,
        "tax_id": customer.tax_id,
        "metadata": dict(customer.metadata),
        "created_at": format_instant(customer.created_at),
        "updated_at": format_instant(customer.updated_at),
    }
