import json
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI
from tests.api.operations import OPERATIONS, Held, Operation, resolve
from tests.conftest import Seller

from tollkeeper.api.app import document
from tollkeeper.api.error_pages import explain

# "On usage, `request_id` does this job, and is kept for ever."
BY_REQUEST_ID = {"POST /api/v1/credits/consume", "POST /api/v1/usage/events"}


async def test_the_document_is_openapi_3_1_and_for_everybody(seller: Seller, app: FastAPI) -> None:
    """Served as it is, without a token, with exactly the v1 operations in it."""
    response = await seller.anonymous.get(str(seller.anonymous.base_url.join("/api/openapi.json")))
    assert response.status_code == 200
    found = response.json()
    assert found == json.loads(json.dumps(document(app)))
    assert found["openapi"].startswith("3.1.")
    assert found["info"]["title"] == "Tollkeeper"
    assert all(path.startswith("/api/v1/") for path in found["paths"])
    jsonschema_rs.meta.validate(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **found["components"]}
    )
    for schema in found["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_is_described(operation: Operation) -> None:
    """A summary to find it by, a sentence to understand it by, a name to generate code from."""
    described = operation.described
    assert described["summary"]
    assert described["summary"][0].isupper()
    assert not described["summary"].endswith(".")
    assert described["description"].endswith(".")
    assert described["tags"]
    assert [one["operationId"] for one in _all()].count(described["operationId"]) == 1


def _all() -> list[Any]:
    return [operation.described for operation in OPERATIONS]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_says_that_it_needs_a_token(app: FastAPI, operation: Operation) -> None:
    """In the terms of OpenAPI, so that generated clients send one."""
    [[name]] = [list(one) for one in operation.described["security"]]
    scheme = document(app)["components"]["securitySchemes"][name]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_change_takes_an_idempotency_key_in_header_and_body(
    app: FastAPI, operation: Operation
) -> None:
    """And no reading does."""
    once = operation.changes and str(operation) not in BY_REQUEST_ID
    assert operation.takes_key is once
    if once:
        assert operation.body_schema is not None
        body = next(resolve(app, operation.body_schema))
        assert "idempotency_key" in body["properties"]
        assert body["additionalProperties"] is False


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_example_is_of_its_schema(app: FastAPI, held: Held, operation: Operation) -> None:
    """Of the request where there is a body, and of the answer for each status."""
    if operation.body_schema is not None:
        examples = [
            example
            for schema in resolve(app, operation.body_schema)
            for example in schema.get("examples", ())
        ]
        assert examples
        for example in examples:
            held.check(operation.body_schema, json.dumps(example))
    for status, answer in operation.described["responses"].items():
        content = answer["content"]["application/json"]
        held.check(content["schema"], json.dumps(content["example"]))
        if int(status) >= 400:
            error = content["example"]["error"]
            found = explain(error["code"])
            assert found is not None
            assert found.status == int(status)
            assert error["docs"].endswith(f"/api/errors/{error['code']}")


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_names_the_statuses_it_can_answer(operation: Operation) -> None:
    """One success, and every refusal that a caller has to reckon with."""
    statuses = {int(status) for status in operation.described["responses"]}
    assert len([status for status in statuses if status < 400]) == 1
    reading = {401, 403, 404, 422, 503}
    changing = reading | {400, 409, 413, 415}
    assert statuses >= (changing if operation.changes else reading)


def test_every_schema_says_what_it_is(app: FastAPI) -> None:
    """No field of an answer is left to guess: objects that we define are closed."""
    for name, schema in document(app)["components"]["schemas"].items():
        if schema.get("type") == "object" and name != "ErrorDetail":
            assert schema.get("additionalProperties") is False, name


async def test_the_printed_example_creates_what_the_document_shows(
    seller: Seller, app: FastAPI
) -> None:
    """The first example that a reader copies works, and answers as shown."""
    [create] = [one for one in OPERATIONS if str(one) == "POST /api/v1/customers"]
    assert create.body_schema is not None
    body = next(resolve(app, create.body_schema))["examples"][0]
    shown = create.described["responses"]["201"]["content"]["application/json"]["example"]
    response = await seller.writer.post("/customers", json=body)
    assert response.status_code == 201
    made = response.json()
    assert made["meta"] == shown["meta"]
    assert {**made["data"], "id": shown["data"]["id"]} == shown["data"]
