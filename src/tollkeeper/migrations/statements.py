"""Statements that many migrations share."""

from alembic import op

from tollkeeper.infra.tables import APP_ROLE


def run(statements: str) -> None:
    """Execute SQL as it stands: no bind parameters, so `:` and `%` mean nothing special."""
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def protect(table: str, *, grants: str, column: str = "provider_id") -> str:
    """SQL for the second wall: the application role may do `grants` on one provider's rows."""
    return f"""
        alter table {table} enable row level security;
        create policy one_provider on {table} to {APP_ROLE}
            using ({column} = current_provider()) with check ({column} = current_provider());
        grant {grants} on {table} to {APP_ROLE};
    """


def append_only(table: str) -> str:
    """SQL that makes the database refuse to change or remove a row, whoever asks."""
    return f"""
        create trigger append_only before update or delete on {table}
            for each row execute function refuse_change();
        create trigger append_only_whole before truncate on {table}
            for each statement execute function refuse_change();
    """
