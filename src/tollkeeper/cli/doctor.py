"""`tollkeeper doctor`: does everything hold that must always hold?"""

import typer

from tollkeeper.cli.program import DataDir, Program, out, run_async, settings_with
from tollkeeper.infra import health, migrate
from tollkeeper.infra.reach import reach_database
from tollkeeper.infra.settings import Settings


def add_to(cli: typer.Typer, program: Program) -> None:
    @cli.command("doctor")
    def command(data_dir: DataDir = None) -> None:
        """Check every invariant. Exit code 1, and the fault by name, if one does not hold."""
        settings = settings_with(data_dir=data_dir)
        with reach_database(settings) as urls:
            missing = migrate.pending(urls.operator)
            _report(
                "the database has the tables of this version",
                missing,
                "missing migration {}; run: tollkeeper migrate",
            )
            # Without its tables, every other question would only say so again.
            healthy = not missing and run_async(_examine(program, settings))
        if not healthy:
            raise typer.Exit(1)


async def _examine(program: Program, settings: Settings) -> bool:
    healthy = True
    async with program.open_runtime(settings) as runtime:
        for invariant in program.invariants:
            faults = await invariant.faults(runtime)
            _report(invariant.law, faults)
            healthy &= not faults
        late = await health.problems(runtime.database, late_seconds=settings.worker_late_seconds)
    for problem in late:
        # Not a broken law: the doctor may be called while nothing is running.
        out().print("[yellow]note[/] ", end=" ")
        out().print(problem, markup=False)
    return healthy


def _report(law: str, faults: list[str], words: str = "{}") -> None:
    out().print(f"[red]FAULT[/] {law}" if faults else f"[green]ok[/]    {law}")
    for fault in faults:
        out().print("      " + words.format(fault), markup=False)
