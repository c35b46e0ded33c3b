"""What is declared in one place only: error codes, settings, migrations that go one way."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Finding, Rule, Source

from tollkeeper.infra.settings import PREFIX, Settings

_SETTING = re.compile(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]")
_SETTINGS = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
# Said by one process of ours to another one, and by nobody else.
_BETWEEN_PROCESSES = {f"{PREFIX}WORKER_PARENT"}


def _declarations(source: Source) -> Iterator[Finding]:
    for call, what in source.calls():
        given = call.args[0] if call.args else None
        if what.endswith("ErrorCode") and isinstance(given, ast.Constant):
            yield call, f"declares {given.value!r}"


def _is_no_catalogue(source: Source) -> bool:
    """`catalogue()` reads the `errors.py` of each package, and none below them."""
    return source.is_program and source.path != f"src/tollkeeper/{source.package}/errors.py"


def _unknown_settings(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), 1):
        for name in set(_SETTING.findall(line)) - _SETTINGS - _BETWEEN_PROCESSES:
            yield number, f"speaks of {name}, which is no setting"


def _ways_back(source: Source) -> Iterator[Finding]:
    for node in source.functions():
        if node.name == "downgrade" and not (
            len(node.body) == 1 and isinstance(node.body[0], ast.Raise)
        ):
            yield node, "has a way back"


RULES = (
    Rule(
        law="error codes are declared in the `errors.py` of a package",
        remedy="move the ErrorCode there: `catalogue()` finds it, and `make docs` writes its page",
        where=_is_no_catalogue,
        find=_declarations,
        broken=(
            ("src/tollkeeper/keys/issue_key.py", "X = ErrorCode('keys.x', 409, 'a', 'b')"),
            ("src/tollkeeper/infra/embedded/errors.py", "X = ErrorCode('x.x', 409, 'a', 'b')"),
        ),
        kept=(
            ("src/tollkeeper/keys/errors.py", "X = ErrorCode('keys.x', 409, 'a', 'b')"),
            ("src/tollkeeper/api/refusals.py", "kind = ErrorCode(first['code'], 422, '', '')"),
        ),
    ),
    Rule(
        law="a setting that is spoken of exists",
        remedy="add it to `Settings` in infra/settings.py, or correct its name",
        where=lambda source: source.is_program,
        find=_unknown_settings,
        broken=(("src/tollkeeper/cli/serve.py", f"x = '{PREFIX}PROT'"),),
        kept=(("src/tollkeeper/cli/serve.py", f"x = '{PREFIX}PORT'\ny = '{PREFIX}'"),),
    ),
    Rule(
        law="a migration has no way back",
        remedy="its downgrade only raises NotImplementedError: history is never unmade, and a way "
        "back that nobody ran in earnest loses data on the day it is needed",
        where=lambda source: source.path.startswith("src/tollkeeper/migrations/versions/"),
        find=_ways_back,
        broken=(
            ("src/tollkeeper/migrations/versions/0002_x.py", "def downgrade(): run('drop ...')"),
            ("src/tollkeeper/migrations/versions/0002_x.py", "def downgrade(): pass"),
        ),
        kept=(
            (
                "src/tollkeeper/migrations/versions/0002_x.py",
                "def downgrade(): raise NotImplementedError",
            ),
        ),
    ),
)
