"""What several of these tests look at: the application's routes, the documents' generator."""

import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest
from fastapi import FastAPI
from tests.architecture.source import REPOSITORY

from tollkeeper.api.app import create_app
from tollkeeper.infra.runtime import Runtime


@pytest.fixture(scope="session")
def routed_app() -> FastAPI:
    """The application, to be looked at and not to be asked: it has no database."""
    return create_app(lambda: nullcontext(cast("Runtime", None)))


@pytest.fixture(scope="session")
def write_documents() -> Callable[[Path], None]:
    """What `make docs` runs: writes every generated page below a folder."""
    spec = importlib.util.spec_from_file_location("generate", REPOSITORY / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Callable[[Path], None]", module.write)
