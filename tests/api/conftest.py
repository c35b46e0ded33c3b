"""In tests of the API every answer that a seller gets is held to the OpenAPI document."""

import pytest
from fastapi import FastAPI
from tests.api.operations import Held
from tests.conftest import NewSeller, Seller


@pytest.fixture(scope="session")
def held(session_app: FastAPI) -> Held:
    return Held(session_app)


@pytest.fixture
async def new_seller(new_seller: NewSeller, held: Held) -> NewSeller:
    async def make() -> Seller:
        made = await new_seller()
        for client in (made.admin, made.writer, made.reader, made.anonymous):
            client.event_hooks["response"].append(held)
        return made

    return make
