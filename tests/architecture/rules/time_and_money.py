"""Nobody reads a clock on the side, and no binary float comes near money."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Finding, Rule, Source, dotted

_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
    "time.gmtime", "time.localtime",
}  # fmt: skip
# Where the machine's time is right: the clock itself, and lines of a log.
_CLOCK_FILES = {"src/tollkeeper/kernel/clock.py", "src/tollkeeper/infra/embedded/log.py"}

# Packages in which a float is only ever a number of seconds to wait, never an amount.
_WAITING = {"", "infra", "migrations", "api", "dashboard", "portal", "mcp", "cli", "delivery"}


def _clock_readings(source: Source) -> Iterator[Finding]:
    for call, what in source.calls():
        if ".".join(what.split(".")[-2:]) in _CLOCKS:
            yield call, f"reads the clock with {what}"
    for node, module, name in source.imports():
        if module == "time" and f"time.{name}" in _CLOCKS:
            yield node, f"imports time.{name}"


def _floats(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id == "float":
            yield node, "says float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node, f"has the binary float {node.value!r}"


def _conversions(source: Source) -> Iterator[Finding]:
    for call, what in source.calls():
        if what == "float":
            yield call, "converts to a binary float"
    for node in source.nodes:
        if isinstance(node, ast.keyword) and node.arg in {"parse_float", "decimal_format"}:
            given = dotted(node.value) or getattr(node.value, "value", "")
            if given in {"float", "float64"}:
                yield node.value, f"reads numbers with {node.arg}={given}"


RULES = (
    Rule(
        law="time is passed in, not read",
        remedy="take `work.now`, or a `Clock` where there is no unit of work; to measure how long "
        "something takes, use time.perf_counter or time.monotonic",
        where=lambda source: source.is_program and source.path not in _CLOCK_FILES,
        find=_clock_readings,
        broken=(
            ("src/tollkeeper/keys/issue_key.py", "now = datetime.now(UTC)"),
            ("src/tollkeeper/keys/issue_key.py", "import datetime\nx = datetime.datetime.utcnow()"),
            ("src/tollkeeper/api/app.py", "started = time.time()"),
            ("src/tollkeeper/api/app.py", "from time import time"),
        ),
        kept=(
            ("src/tollkeeper/api/app.py", "started = time.perf_counter()"),
            ("src/tollkeeper/keys/issue_key.py", "now = runtime.clock.now()"),
            ("src/tollkeeper/kernel/clock.py", "now = datetime.now(UTC)"),
        ),
    ),
    Rule(
        law="no binary float where amounts are",
        remedy="money is `Money` or int minor units, quantities are Decimal, seconds are int or "
        "timedelta",
        where=lambda source: source.is_program and source.package not in _WAITING,
        find=_floats,
        broken=(
            ("src/tollkeeper/kernel/money.py", "def f(amount: float): ..."),
            ("src/tollkeeper/rating/tiers.py", "share = float(amount)"),
            ("src/tollkeeper/customers/model.py", "limit: dict[str, float]"),
            ("src/tollkeeper/credits/burn.py", "rate = 0.5"),
        ),
        kept=(
            ("src/tollkeeper/kernel/money.py", "half = Decimal('0.5')"),
            ("src/tollkeeper/infra/jobs.py", "HEARTBEAT_SECONDS: float = 5.0"),
        ),
    ),
    Rule(
        law="nothing that comes in is made a binary float",
        remedy="read numbers with `kernel.quantity.parse_quantity`, JSON with `api.json_body`",
        where=lambda source: source.is_program,
        find=_conversions,
        broken=(
            ("src/tollkeeper/api/customers.py", "amount = float(text)"),
            ("src/tollkeeper/infra/outbox.py", "json.loads(text, parse_float=float)"),
        ),
        kept=(("src/tollkeeper/api/json_body.py", "json.loads(text, parse_float=Decimal)"),),
    ),
)
