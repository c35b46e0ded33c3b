"""Imports every module of a package and tells which of them touched the world while doing so.

    python import_probe.py FOLDER PACKAGE [MODULE TO LEAVE OUT...]

Run in a process of its own, in which nothing is imported yet. Answers JSON on standard output:
`modules`, how many were imported, and `faults`, in words. What a library does while it is imported
is its own affair; what our module-level code does, or makes a library do, is ours.
"""

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER, PACKAGE, *LEFT_OUT = sys.argv[1:]
OURS = f"{(Path(FOLDER) / PACKAGE).resolve()}{os.sep}"

_FILES = ("open", "os.", "shutil.", "tempfile.", "glob.", "pathlib.", "sqlite3.", "mmap.")
_OTHERS = ("socket.", "subprocess.", "_thread.start_new_thread", "urllib.", "ctypes.dlopen")
_WATCHED = (*_FILES, *_OTHERS)
# Pydantic looks at this one for each model that is declared; no way of declaring it avoids that.
_OF_LIBRARIES = {"PYDANTIC_DISABLE_PLUGINS"}

faults: set[str] = set()


def accuse(what: str) -> None:
    """Note the fault, if module-level code of ours is at the root of it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return
        if frame.f_code.co_name == "<module>":
            if file.startswith(OURS):
                place = Path(file).relative_to(FOLDER).as_posix()
                faults.add(f"{place}:{frame.f_lineno}: {what} while it is imported")
            return
        frame = frame.f_back


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: PEP 578."""
    if event.startswith(_WATCHED):
        accuse(f"{event} {arguments[0] if arguments else ''}".strip())


class WatchedEnvironment(os._Environ):  # type: ignore[type-arg]
    """The environment, which notes who looks at it or changes it."""

    def __getitem__(self, key: str) -> str:
        if key not in _OF_LIBRARIES:
            accuse(f"reads the environment variable {key}")
        return super().__getitem__(key)  # type: ignore[no-any-return]

    def __iter__(self) -> Any:
        accuse("reads the environment")
        return super().__iter__()

    def __setitem__(self, key: str, value: str) -> None:
        accuse(f"sets the environment variable {key}")
        super().__setitem__(key, value)


def probe() -> int:
    """Import everything; answers how many modules it were."""
    sys.path.insert(0, FOLDER)
    # In its place, so that whoever holds it already holds the watched one.
    os.environ.__class__ = WatchedEnvironment
    sys.addaudithook(watch)
    names = {PACKAGE}
    package = importlib.import_module(PACKAGE)
    for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if module.name not in LEFT_OUT:
            importlib.import_module(module.name)
            names.add(module.name)
    return len(names)


if __name__ == "__main__":
    count = probe()
    sys.stdout.write(json.dumps({"modules": count, "faults": sorted(faults)}))
