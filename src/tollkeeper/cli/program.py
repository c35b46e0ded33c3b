"""What the command line is given by the composition root, and what all its commands share."""

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollkeeper.infra.invariants import Invariant
from tollkeeper.infra.migrate import require_migrated
from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.unit_of_work import UnitOfWork, unit_of_work
from tollkeeper.kernel.ids import ProviderId, new_uuid7
from tollkeeper.kernel.scope import Actor, Scope
from tollkeeper.providers.registry import find_provider

Result = TypeVar("Result")
_UNCUT = 100_000


@cache
def out() -> Console:
    """Standard output: what was asked for. Off a terminal nothing is cut or wrapped."""
    width = None if sys.stdout.isatty() else _UNCUT
    return Console(highlight=False, soft_wrap=True, width=width)


@cache
def err() -> Console:
    """Standard error: what is said besides."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class Refusal(Exception):  # noqa: N818 - not every refusal is an error of ours
    """Why a command cannot do what was asked, and what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Show rows as they are: what people typed is no markup."""
    table = Table(*headers, box=None)
    for row in rows:
        table.add_row(*map(Text, row))
    out().print(table)


DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the embedded database lives [TOLLKEEPER_DATA_DIR, else ./tollkeeper-data].",
    ),
]


@dataclass(frozen=True, slots=True)
class Program:
    """The parts that commands need and that only the composition root can put together.

    load_app: called in every server process with the id of the process that started it; answers
    the ASGI application; picklable.
    open_runtime: reaches the database and opens the runtime's parts.
    """

    load_app: Callable[[Settings, int], Any]
    open_runtime: Callable[[Settings], AbstractAsyncContextManager[Runtime]]
    invariants: Sequence[Invariant]

    @asynccontextmanager
    async def operate(
        self, settings: Settings, provider: str | None = None
    ) -> AsyncIterator[UnitOfWork]:
        """A unit of work of the operator, for an existing provider or (None) a new one."""
        async with self.open_runtime(settings) as runtime:
            await require_migrated(runtime.operator)
            scope = Scope(ProviderId(new_uuid7()))
            if provider is not None:
                async with runtime.operator.transaction() as db:
                    scope = Scope((await find_provider(db, provider)).id)
            async with unit_of_work(
                runtime.operator, runtime.jobs, runtime.clock, scope=scope, actor=operator()
            ) as work:
                yield work


def operator() -> Actor:
    """Whoever is at the keyboard, for the audit trail."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        name = str(os.getuid())
    return Actor("operator", name)


def settings_with(**options: Any) -> Settings:
    """The settings, with command-line options (those that are not None) before all else."""
    return Settings(**{name: value for name, value in options.items() if value is not None})


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)
