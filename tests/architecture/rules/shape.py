"""Names, sizes, docstrings: what makes a file easy to find and to read."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.architecture.source import Finding, Rule, Source

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_PARAMETERS = 7

_DRAWER = re.compile(r"(?:^|_)(?:utils?|helpers?|commons?|misc|shared)(?:$|_)")


def _drawers(source: Source) -> Iterator[Finding]:
    for part in PurePosixPath(source.path).with_suffix("").parts[1:]:
        if _DRAWER.search(part):
            yield 1, f"is called {part!r}, which says nothing"


def _logic(source: Source) -> Iterator[Finding]:
    for node in source.tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(value, ast.Constant):
            continue
        yield node, f"holds a statement ({type(node).__name__})"


def _undescribed(source: Source) -> Iterator[Finding]:
    if not ast.get_docstring(source.tree):
        yield 1, "has no docstring"


def _long_file(source: Source) -> Iterator[Finding]:
    if (lines := source.text.count("\n")) > MAX_FILE_LINES:
        yield lines, f"has {lines} lines"


def _long_functions(source: Source) -> Iterator[Finding]:
    for node in source.functions():
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield node, f"{node.name} has {lines} lines"


def _many_parameters(source: Source) -> Iterator[Finding]:
    for node in source.functions():
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        count = sum(argument.arg not in {"self", "cls"} for argument in arguments)
        if count > MAX_PARAMETERS:
            yield node, f"{node.name} takes {count} parameters"


def _parameters(count: int) -> str:
    return f"def f({', '.join(f'p{number}' for number in range(count))}): ..."


RULES = (
    Rule(
        law="a file's name says what is in it",
        remedy="name it after the noun or the operation that it holds",
        where=lambda source: source.is_program or source.is_test,
        find=_drawers,
        broken=(
            ("src/tollkeeper/infra/utils.py", ""),
            ("src/tollkeeper/common/dates.py", ""),
            ("tests/api/test_helpers.py", ""),
        ),
        kept=(("src/tollkeeper/api/answers.py", ""),),
    ),
    Rule(
        law="an `__init__.py` holds a docstring, and constants at most",
        remedy="put it into a module with a name, and import it from there",
        where=lambda source: source.is_program and source.name == "__init__.py",
        find=_logic,
        broken=(
            ("src/tollkeeper/keys/__init__.py", "from tollkeeper.keys.store import find"),
            ("src/tollkeeper/keys/__init__.py", "def f(): ..."),
            ("src/tollkeeper/keys/__init__.py", "KEYS = load()"),
        ),
        kept=(("src/tollkeeper/__init__.py", '"""Tollkeeper."""\n__version__ = "1.0.0"'),),
    ),
    Rule(
        law="a module says what it is for",
        remedy="begin it with a docstring of one sentence that the file's name does not say yet",
        where=lambda source: not source.is_test,
        find=_undescribed,
        broken=(
            ("src/tollkeeper/keys/store.py", "import re"),
            ("src/tollkeeper/keys/__init__.py", ""),
        ),
        kept=(("src/tollkeeper/keys/store.py", '"""All SQL of keys."""'),),
    ),
    Rule(
        law=f"a file has at most {MAX_FILE_LINES} lines",
        remedy="it holds two ideas: give the second one a file of its own",
        where=lambda _source: True,
        find=_long_file,
        broken=(("src/tollkeeper/keys/store.py", "\n" * (MAX_FILE_LINES + 1)),),
        kept=(("src/tollkeeper/keys/store.py", "\n" * MAX_FILE_LINES),),
    ),
    Rule(
        law=f"a function has at most {MAX_FUNCTION_LINES} lines",
        remedy="give its parts names: each becomes a function",
        where=lambda _source: True,
        find=_long_functions,
        broken=(
            ("src/tollkeeper/keys/store.py", "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
        ),
        kept=(
            (
                "src/tollkeeper/keys/store.py",
                "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1),
            ),
        ),
    ),
    Rule(
        law=f"a function takes at most {MAX_PARAMETERS} parameters",
        remedy="some of them belong together: make them one value with a name",
        where=lambda _source: True,
        find=_many_parameters,
        broken=(("src/tollkeeper/keys/store.py", _parameters(MAX_PARAMETERS + 1)),),
        kept=(("src/tollkeeper/keys/store.py", _parameters(MAX_PARAMETERS)),),
    ),
)
