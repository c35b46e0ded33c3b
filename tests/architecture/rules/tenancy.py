"""Whose data it is, where SQL may stand, and who ends a transaction."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Finding, Rule, Source, dotted

# Layers that answer requests: nothing there may use the connection that no policy binds.
_ANSWERING = {"api", "dashboard", "portal", "mcp", "gate"}
# settle.py calls the one function that settles usage, for many providers at once.
_SQL_FILES = {"store.py", "registry.py", "invariants.py", "settle.py"}
_SQL_WORDS = {"select", "insert", "update", "delete", "text", "union", "union_all", "exists"}
_SQL_CALLS = {
    "execute", "executemany", "exec_driver_sql", "scalar", "scalars", "stream", "stream_scalars",
    "copy",
}  # fmt: skip
_ENDS = {"commit", "rollback", "begin", "begin_twophase", "prepare"}
_OPENERS = {"create_engine", "create_async_engine", "ConnectionPool", "AsyncConnectionPool"}
_CONNECTS = {"psycopg.connect", "Connection.connect", "AsyncConnection.connect"}


def _without_scope(source: Source) -> Iterator[Finding]:
    for node in source.functions():
        if node not in source.tree.body or node.name.startswith("_"):
            continue
        given = [
            (argument.arg, dotted(argument.annotation) if argument.annotation else "")
            for argument in (*node.args.posonlyargs, *node.args.args)
        ]
        if given[:1] != [("scope", "Scope")] or [name for name, _ in given[1:2]] != ["db"]:
            yield node, f"{node.name} does not take `scope: Scope` and then `db`"


def _statements(source: Source) -> Iterator[Finding]:
    for node, module, name in source.imports():
        if module.split(".")[0] == "sqlalchemy" and name in _SQL_WORDS:
            yield node, f"imports {name} from {module}"
    for call, what in source.calls():
        receiver, _, method = what.rpartition(".")
        if method in _SQL_CALLS and receiver not in {"", "self"}:
            yield call, f"calls {what}"


def _may_not_hold_sql(source: Source) -> bool:
    return (
        source.is_program
        and source.package not in {"infra", "migrations"}
        and source.name not in _SQL_FILES
    )


def _ends_of_transactions(source: Source) -> Iterator[Finding]:
    for call, what in source.calls():
        if "." in what and what.rpartition(".")[2] in _ENDS:
            yield call, f"calls {what}"


def _connections(source: Source) -> Iterator[Finding]:
    for call, what in source.calls():
        if ".".join(what.split(".")[-2:]) in _CONNECTS or what.split(".")[-1] in _OPENERS:
            yield call, f"calls {what}"
    for node, module, name in source.imports():
        if name in _OPENERS or (module, name) == ("psycopg", "connect"):
            yield node, f"imports {name} from {module}"


def _operator(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "operator":
            yield node, f"uses {dotted(node)}"


RULES = (
    Rule(
        law="a store function cannot forget whose data it is",
        remedy="every public function of a store.py takes `scope: Scope` first and `db` second; "
        "what belongs to no provider goes to registry.py, what needs no database to model.py "
        "or tables.py",
        where=lambda source: source.is_program and source.name == "store.py",
        find=_without_scope,
        broken=(
            ("src/tollkeeper/keys/store.py", "async def find(db: AsyncConnection): ..."),
            ("src/tollkeeper/keys/store.py", "async def find(scope, db: AsyncConnection): ..."),
            ("src/tollkeeper/keys/store.py", "async def find(scope: Scope, id: UUID, db: D): ..."),
            ("src/tollkeeper/keys/store.py", "async def find(*, scope: Scope, db: D): ..."),
        ),
        kept=(
            ("src/tollkeeper/keys/store.py", "async def find(scope: Scope, db: D, id: int): ..."),
            ("src/tollkeeper/keys/store.py", "def _key_of(row: RowMapping): ..."),
            ("src/tollkeeper/keys/queries.py", "async def find(db: AsyncConnection): ..."),
        ),
    ),
    Rule(
        law="SQL stands where it is looked for",
        remedy="move the statement into a function of the domain's store.py (registry.py for what "
        "belongs to no provider, invariants.py for what `doctor` asks) and call that",
        where=_may_not_hold_sql,
        find=_statements,
        broken=(
            ("src/tollkeeper/api/customers.py", "from sqlalchemy import select"),
            ("src/tollkeeper/keys/issue_key.py", "async def f(work): await work.db.execute(X)"),
            ("src/tollkeeper/cli/doctor.py", "cursor.executemany('...', [])"),
        ),
        kept=(
            ("src/tollkeeper/keys/issue_key.py", "from sqlalchemy.exc import IntegrityError"),
            ("src/tollkeeper/keys/store.py", "from sqlalchemy import select"),
            ("src/tollkeeper/infra/outbox.py", "async def f(work): await work.db.execute(X)"),
            ("src/tollkeeper/api/json_body.py", "class R(Request):\n  def f(self): self.stream()"),
        ),
    ),
    Rule(
        law="only infra begins and ends a transaction",
        remedy="raise instead of rolling back, return instead of committing; a part that may fail "
        "alone goes into `begin_nested()`",
        where=lambda source: source.is_program and source.package != "infra",
        find=_ends_of_transactions,
        broken=(
            ("src/tollkeeper/keys/issue_key.py", "async def f(work): await work.db.commit()"),
            (
                "src/tollkeeper/api/route.py",
                "async def f(engine):\n  async with engine.begin(): ...",
            ),
            ("src/tollkeeper/keys/issue_key.py", "async def f(work): await work.db.rollback()"),
        ),
        kept=(
            (
                "src/tollkeeper/keys/issue_key.py",
                "async def f(work):\n  async with work.db.begin_nested(): ...",
            ),
            ("src/tollkeeper/infra/migrate.py", "connection.commit()"),
        ),
    ),
    Rule(
        law="only infra opens connections to the database",
        remedy="take the `Runtime`'s database, or the unit of work's connection",
        where=lambda source: source.is_program and source.package != "infra",
        find=_connections,
        broken=(
            ("src/tollkeeper/cli/doctor.py", "import psycopg\nc = psycopg.connect(url)"),
            ("src/tollkeeper/keys/store.py", "from psycopg import connect"),
            ("src/tollkeeper/keys/store.py", "c = psycopg.AsyncConnection.connect(url)"),
            ("src/tollkeeper/main.py", "from sqlalchemy.ext.asyncio import create_async_engine"),
        ),
        kept=(
            ("src/tollkeeper/keys/store.py", "from sqlalchemy.ext.asyncio import AsyncConnection"),
            ("src/tollkeeper/cli/app.py", "from psycopg import OperationalError"),
            ("src/tollkeeper/infra/migrate.py", "c = psycopg.connect(operator)"),
        ),
    ),
    Rule(
        law="no request is answered on the operator's connection, which no policy binds",
        remedy="use the unit of work of the request; what needs to see across providers is a "
        "command or a job",
        where=lambda source: source.package in _ANSWERING,
        find=_operator,
        broken=(
            ("src/tollkeeper/api/system.py", "def f(runtime): runtime.operator.transaction()"),
        ),
        kept=(("src/tollkeeper/cli/program.py", "def f(runtime): runtime.operator.transaction()"),),
    ),
)
