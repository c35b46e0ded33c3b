"""`tollkeeper migrate`: bring the database to the shape that this version expects."""

import typer

from tollkeeper.cli.program import DataDir, Program, out, settings_with
from tollkeeper.infra import migrate
from tollkeeper.infra.reach import reach_database


def add_to(cli: typer.Typer, _program: Program) -> None:
    @cli.command("migrate")
    def command(
        data_dir: DataDir = None,
        check: bool = typer.Option(
            False, "--check", help="Change nothing; fail when something is missing or differs."
        ),
    ) -> None:
        """Create or upgrade the tables. Safe to repeat, and while servers run."""
        with reach_database(settings_with(data_dir=data_dir)) as urls:
            if not check:
                migrate.migrate(urls.operator)
                out().print("The database is up to date.")
                return
            missing = migrate.pending(urls.operator)
            if missing:
                out().print(f"Missing: {', '.join(missing)}. Run: tollkeeper migrate")
                raise typer.Exit(1)
            migrate.check(urls.operator)
            out().print("Nothing is missing, and the tables are those of the code.")
