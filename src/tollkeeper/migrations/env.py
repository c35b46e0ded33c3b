"""Alembic's entry: runs on the connection that `infra.migrate` hands over."""

import re

from alembic import context

from tollkeeper.credits import tables as credit
from tollkeeper.customers import tables as customers
from tollkeeper.gate import tables as gate
from tollkeeper.infra.tables import metadata
from tollkeeper.metering import tables as metering
from tollkeeper.providers import tables as providers

# Importing a domain's tables enters them in the one catalogue.
DOMAINS = (providers, customers, metering, credit, gate)

# Partitions are made at run time, by the functions that know when.
PARTITION = re.compile(r"(usage_events|usage_ids|credit_entries)_\d+")


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether the comparison with the code should look at it."""
    return not (kind == "table" and name and PARTITION.fullmatch(name))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_type=True,
    include_name=is_ours,
)
with context.begin_transaction():
    context.run_migrations()
