"""The program's own text, parsed once, and the rules that it is held to."""

import ast
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "src/tollkeeper"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Finding = tuple[ast.AST | int, str]


@dataclass(frozen=True)
class Source:
    """One Python file. `path` is relative to the repository, with slashes."""

    path: str
    text: str

    @classmethod
    def planted(cls, path: str, text: str) -> "Source":
        """A file that is nowhere but in a test."""
        return cls(path, textwrap.dedent(text))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def package(self) -> str:
        """`providers` of `src/tollkeeper/providers/store.py`; "" outside every package."""
        parts = PurePosixPath(self.path).parts
        return parts[2] if self.path.startswith("src/tollkeeper/") and len(parts) > 3 else ""

    @property
    def is_program(self) -> bool:
        return self.path.startswith("src/")

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    def functions(self) -> Iterator[Function]:
        for node in self.nodes:
            if isinstance(node, Function):
                yield node

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call, with what is called as it is written: `work.db.commit`."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, dotted(node.func)

    def imports(self) -> Iterator[tuple[ast.stmt, str, str]]:
        """Every import: the statement, the module, and the name taken from it or ""."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node, alias.name, ""
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield node, node.module or "", alias.name


@dataclass(frozen=True)
class Rule:
    """A law of the house about single files.

    where: which files it is about. find: the places that break it, and what is there. remedy: what
    to do about it. broken, kept: planted files, by path, that it must and must not complain about.
    """

    law: str
    remedy: str
    where: Callable[[Source], bool]
    find: Callable[[Source], Iterator[Finding]]
    broken: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...] = ()

    def faults(self, source: Source) -> list[str]:
        if not self.where(source):
            return []
        return [
            f"{source.path}:{place if isinstance(place, int) else getattr(place, 'lineno', 1)}: "
            f"{what}"
            for place, what in self.find(source)
        ]


@cache
def sources() -> tuple[Source, ...]:
    """All Python of the repository: the program, its tests, its tools."""
    return tuple(
        Source(path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8"))
        for folder in ("src", "tests", "docs", "assets", "bench")
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    )


def packages() -> tuple[str, ...]:
    """The packages of the program: `api`, `cli`, ..."""
    return tuple(sorted(found.parent.name for found in PACKAGE.glob("*/__init__.py")))


def dotted(node: ast.expr) -> str:
    """A name as it is written, `a.b.c`; what stands before a call or an index is left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def explained(faults: list[str], remedy: str) -> str:
    """The message of a failing test."""
    return "\n".join(["", *faults, f"Remedy: {remedy}"])
