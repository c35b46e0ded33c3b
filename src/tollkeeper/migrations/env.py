"""Alembic's entry: runs on the connection that `infra.migrate` hands over."""

from alembic import context

from tollkeeper.customers import tables as customers
from tollkeeper.infra.tables import metadata
from tollkeeper.providers import tables as providers

# Importing a domain's tables enters them in the one catalogue.
DOMAINS = (providers, customers)

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
