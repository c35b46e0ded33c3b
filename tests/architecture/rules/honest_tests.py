"""Tests run the real thing, all of it, and wait for events instead of for time."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Finding, Rule, Source, dotted

_LONGEST_POLL_SECONDS = 0.1
_EVASIONS = {"skip", "skipif", "xfail", "importorskip"}


def _mocks(source: Source) -> Iterator[Finding]:
    for node, module, name in source.imports():
        if "mock" in f"{module}.{name}".lower().replace("_", ".").split("."):
            yield node, f"imports {module}"
    for part in source.nodes:
        what = dotted(part) if isinstance(part, ast.Name | ast.Attribute) else ""
        if what.endswith("mock.patch") or "MagicMock" in what:
            yield part, f"uses {what}"


def _evasions(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            what = dotted(node)
            if what.startswith("pytest.") and what.rpartition(".")[2] in _EVASIONS:
                yield node, f"uses {what}"


def _sleeps(source: Source) -> Iterator[Finding]:
    polls = {
        inner for loop in source.nodes if isinstance(loop, ast.While) for inner in ast.walk(loop)
    }
    for call, what in source.calls():
        if what not in {"time.sleep", "sleep", "asyncio.sleep"} or not call.args:
            continue
        seconds = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
        short = isinstance(seconds, int | float) and seconds <= _LONGEST_POLL_SECONDS
        # Nobody announces that another process has come or gone; asking again and again is the way.
        if not (short and (call in polls or what == "asyncio.sleep")):
            yield call, f"sleeps ({ast.unparse(call)})"


def _is_test(source: Source) -> bool:
    return source.is_test


RULES = (
    Rule(
        law="no test mocks",
        remedy="use the real part, or write a simulator that behaves like it; pass it in instead "
        "of patching it in",
        where=_is_test,
        find=_mocks,
        broken=(
            ("tests/api/test_x.py", "from unittest.mock import MagicMock"),
            ("tests/api/test_x.py", "from unittest import mock"),
            ("tests/api/test_x.py", "import pytest_mock"),
            ("tests/api/test_x.py", "with mock.patch('x'): ..."),
        ),
        kept=(("tests/api/test_x.py", "import mockingbird\nfrom tests.conftest import Seller"),),
    ),
    Rule(
        law="no test is skipped or expected to fail",
        remedy="make it pass, or delete it and say what is missing in an issue",
        where=_is_test,
        find=_evasions,
        broken=(
            ("tests/api/test_x.py", "pytest.skip('later')"),
            ("tests/api/test_x.py", "@pytest.mark.xfail\ndef test_x(): ..."),
            ("tests/api/test_x.py", "@pytest.mark.skipif(True, reason='')\ndef test_x(): ..."),
        ),
        kept=(("tests/api/test_x.py", "@pytest.mark.parametrize('x', [1])\ndef test_x(x): ..."),),
    ),
    Rule(
        law="no test waits for time to pass",
        remedy="push the `clock` fixture, await the event; what another process does is polled in "
        f"a `while` loop with a deadline, {_LONGEST_POLL_SECONDS} s at a time at most",
        where=_is_test,
        find=_sleeps,
        broken=(
            ("tests/api/test_x.py", "time.sleep(0.01)"),
            ("tests/api/test_x.py", "while waiting():\n    time.sleep(1)"),
            ("tests/api/test_x.py", "async def f(): await asyncio.sleep(1)"),
            ("tests/api/test_x.py", "time.sleep(LONG)"),
        ),
        kept=(
            ("tests/api/test_x.py", "while waiting():\n    time.sleep(0.01)"),
            ("tests/api/test_x.py", "async def f(): await asyncio.sleep(0)"),
        ),
    ),
)
