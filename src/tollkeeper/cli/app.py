"""The command itself: its sub-commands, and errors as sentences instead of tracebacks."""

import sys

import psycopg
import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from tollkeeper import __version__
from tollkeeper.cli import doctor, migrate, providers, serve, tokens, worker
from tollkeeper.cli.program import Program, Refusal, err, out
from tollkeeper.infra.embedded.errors import EmbeddedPostgresError
from tollkeeper.infra.errors import BUSY, DATABASE_UNAVAILABLE, STORAGE_FULL, coded_cause
from tollkeeper.infra.migrate import MigrationError
from tollkeeper.infra.settings import PREFIX
from tollkeeper.kernel.errors import CodedError, InvalidValue

# For whoever is at the keyboard; an error's own remedy is for callers of the API.
_REMEDIES = {
    BUSY: "Run the command again.",
    STORAGE_FULL: "Free or add disk space, and run the command again.",
    DATABASE_UNAVAILABLE: "Check TOLLKEEPER_DATABASE_URL.",
}


def build_cli(program: Program) -> typer.Typer:
    """The `tollkeeper` command over these parts."""
    cli = typer.Typer(
        name="tollkeeper",
        help="The billing engine that API companies run beside their API.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    @cli.callback(invoke_without_command=True)
    def version(
        show: bool = typer.Option(False, "--version", help="Print the version and leave."),
    ) -> None:
        if show:
            out().print(f"tollkeeper {__version__}")
            raise typer.Exit

    for part in (serve, worker, migrate, providers, tokens, doctor):
        part.add_to(cli, program)
    return cli


def run_cli(program: Program) -> None:
    """Run the command; what the user can mend ends in a sentence and exit code 1."""
    try:
        build_cli(program)()
    except Refusal as error:
        _fail(str(error), error.remedy)
    except EmbeddedPostgresError as error:
        _fail(error.message, error.remedy)
    except CodedError as error:
        _fail(error.message, error.kind.remedy)
    except (MigrationError, InvalidValue) as error:
        _fail(str(error))
    except (psycopg.Error, DBAPIError) as error:
        cause = getattr(error, "orig", error)
        known = coded_cause(cause)
        if known is None:
            raise
        _fail(f"{known.message}: {cause}", _REMEDIES[known.kind])
    except ValidationError as error:
        for problem in error.errors():
            name = f"{PREFIX}{problem['loc'][0]}".upper() if problem["loc"] else PREFIX
            _fail(f"{name}: {problem['msg'].removeprefix('Value error, ')}")


def _fail(message: str, remedy: str = "") -> None:
    err().print("[bold red]Error:[/]", end=" ")
    err().print(message, markup=False)
    if remedy:
        err().print(remedy, markup=False)
    sys.exit(1)
