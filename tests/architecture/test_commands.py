"""What one can type is explained where one would look: `--help`, `make help`, the guide."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from tests.architecture.source import REPOSITORY, explained
from typer.core import TyperGroup
from typer.main import get_command

from tollkeeper.cli.app import build_cli
from tollkeeper.cli.program import Program
from tollkeeper.main import INVARIANTS, load_app, open_program

_TARGET = re.compile(r"^([^\s:#=.$][^\s:=]*):(?!=).*?(## .*)?$", re.MULTILINE)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    if isinstance(command, TyperGroup):
        for part, below in command.commands.items():
            yield from _commands(below, f"{name} {part}")


def _unexplained(cli: typer.Typer) -> list[str]:
    faults = []
    for name, command in _commands(get_command(cli), "tollkeeper"):
        if not command.help:
            faults.append(f"`{name}` has no help")
        faults += [
            f"`{name}`: {parameter.name} has no help"
            for parameter in command.params
            if not parameter.help
        ]
    return faults


@pytest.fixture(scope="module")
def cli() -> typer.Typer:
    """The `tollkeeper` command, as it is installed."""
    return build_cli(Program(load_app=load_app, open_runtime=open_program, invariants=INVARIANTS))


def test_every_command_and_option_has_help(cli: typer.Typer) -> None:
    """`--help` answers what each command does, and each of its options."""
    if faults := _unexplained(cli):
        remedy = "a docstring for the command, `help=` for the option or argument"
        pytest.fail(explained(faults, remedy), pytrace=False)


def test_every_command_is_in_the_guide(cli: typer.Typer) -> None:
    """One page shows all commands."""
    guide = (REPOSITORY / "docs/guide/README.md").read_text(encoding="utf-8")
    missing = [
        name
        for name, command in _commands(get_command(cli), "tollkeeper")
        if not isinstance(command, TyperGroup) and f"`{name}" not in guide
    ]
    assert missing == [], "describe it in docs/guide/README.md"


def test_a_planted_command_without_help_is_found() -> None:
    """The test of the help can fail."""
    planted = typer.Typer(help="Planted.", add_completion=False)

    @planted.command("one")
    def one(path: str = "") -> None: ...

    @planted.command("two")
    def two(path: str = typer.Option("", help="Where.")) -> None:
        """Do it."""

    faults = _unexplained(planted)
    assert faults == ["`tollkeeper one` has no help", "`tollkeeper one`: path has no help"]


def _explained_targets() -> set[str]:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return {name for name, help_text in _TARGET.findall(makefile) if help_text}


def test_make_help_shows_every_target_with_an_explanation() -> None:
    """`make help` is complete."""
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    listed = set(re.findall(r"^  make (\S+)", shown, re.MULTILINE))
    assert _explained_targets() == listed
    assert {"run", "test", "check", "docs"} <= listed


def test_every_target_that_is_announced_is_there() -> None:
    """`.PHONY` announces no target that make would not know."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    announced = set(" ".join(re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)).split())
    assert announced - {name for name, _ in _TARGET.findall(makefile)} == set()
