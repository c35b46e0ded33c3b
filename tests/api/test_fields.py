from typing import Any

import pytest
from fastapi import FastAPI
from tests.api.envelope import data_of, refusal_of
from tests.api.operations import OPERATIONS, Operation, example_body, subjects_of
from tests.conftest import Seller

READS = [operation for operation in OPERATIONS if not operation.changes]
PAGED = [one for one in READS if "page" in {p["name"] for p in one.described.get("parameters", ())}]

NOT_UTF_8 = ("%FF", "%C0%80", "%ED%A0%80", "ok%E9")
IMPOSSIBLE_PAGES = [
    ("page=0", "page must be greater than or equal to 1"),
    ("page=-1", "page must be greater than or equal to 1"),
    ("page=1000001", "page must be less than or equal to 1000000"),
    ("page=", "page must be a whole number such as 1"),
    ("page=x", "page must be a whole number such as 1"),
    ("page=1.0", "page must be a whole number such as 1"),
    ("page=1_0", "page must be a whole number such as 1"),
    ("page=%2B1", "page must be a whole number such as 1"),
    ("page=%201", "page must be a whole number such as 1"),
    ("page=1e3", "page must be a whole number such as 1"),
    ("page=%D9%A1", "page must be a whole number such as 1"),
    ("page=" + "9" * 5_000, "page must be a whole number such as 1"),
    ("per_page=0", "per_page must be greater than or equal to 1"),
    ("per_page=201", "per_page must be less than or equal to 200"),
    ("per_page=all", "per_page must be a whole number such as 1"),
]


def query_of(operation: Operation) -> dict[str, Any]:
    return {
        parameter["name"]: parameter["schema"]
        for parameter in operation.described.get("parameters", ())
        if parameter["in"] == "query"
    }


def _beside(operation: Operation, name: str) -> str:
    """The address with all that it needs but this parameter, up to where it would stand."""
    others = [f"{other}={value}&" for other, value in operation.needed.items() if other != name]
    return f"{operation.at()}?{''.join(others)}"


@pytest.mark.parametrize("operation", PAGED, ids=str)
async def test_a_page_that_cannot_be_is_refused(seller: Seller, operation: Operation) -> None:
    """422 names the parameter and its limits."""
    for query, message in IMPOSSIBLE_PAGES:
        response = await seller.admin.get(f"{operation.at()}?{query}")
        code = f"request.{query.partition('=')[0]}_invalid"
        assert refusal_of(response, 422, code) == message


@pytest.mark.parametrize("operation", PAGED, ids=str)
async def test_the_limits_themselves_are_pages(seller: Seller, operation: Operation) -> None:
    """Beyond the end a page is empty, and says so in `total`."""
    response = await seller.admin.get(f"{operation.at()}?page=1000000&per_page=200")
    assert data_of(response) == []
    assert response.json()["meta"]["page"] == 1_000_000
    assert response.json()["meta"]["per_page"] == 200


@pytest.mark.parametrize("operation", [one for one in READS if query_of(one)], ids=str)
async def test_an_unknown_parameter_is_refused_by_name(
    seller: Seller, operation: Operation
) -> None:
    """An ignored filter would answer more than was asked for."""
    for name in ("colour", "Page", "page[]", "provider_id", "__proto__"):
        response = await seller.admin.get(operation.at(), params={**operation.needed, name: "1"})
        message = refusal_of(response, 422, "request.unknown_parameter")
        assert message == f"{name} is not a known parameter"


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.takes_key], ids=str)
async def test_a_change_takes_no_parameter_in_its_query(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """What was meant to be in the body is not ignored because it is elsewhere."""
    path = operation.at(**await subjects_of(seller))
    body = example_body(app, operation)
    response = await seller.admin.request(operation.method, f"{path}?name=x", json=body)
    message = refusal_of(response, 422, "request.unknown_parameter")
    assert message.startswith("name is not a known parameter")


@pytest.mark.parametrize("operation", [one for one in READS if query_of(one)], ids=str)
async def test_a_query_refuses_what_cannot_be_stored(seller: Seller, operation: Operation) -> None:
    """NUL and what is not UTF-8, in each parameter; never 500."""
    for name in query_of(operation):
        path = f"{_beside(operation, name)}{name}="
        response = await seller.admin.get(f"{path}%00")
        message = refusal_of(response, 422, f"request.{name}_invalid")
        assert message.startswith(f"{name} must ")
        for text in NOT_UTF_8:
            message = refusal_of(
                await seller.admin.get(f"{path}{text}"), 422, "request.address_invalid"
            )
            assert message == "the path and the query must be percent-encoded UTF-8"


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.parameters], ids=str)
async def test_a_path_refuses_what_cannot_be_stored(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """NUL, what is not UTF-8 and what is endless, in each part of it; never 500."""
    subjects = await subjects_of(seller)
    body = example_body(app, operation) if operation.body_schema else None
    for name in operation.parameters:
        for text, code in (
            ("a%00b", f"request.{name}_invalid"),
            ("%20", f"request.{name}_invalid"),
            ("x" * 20_000, f"request.{name}_invalid"),
            *((text, "request.address_invalid") for text in NOT_UTF_8),
        ):
            path = operation.at(**(subjects | {name: text}))
            response = await seller.admin.request(operation.method, path, json=body)
            message = refusal_of(response, 422, code)
            assert message.startswith((f"{name} must ", "the path and the query must "))


@pytest.mark.parametrize("operation", [one for one in READS if query_of(one)], ids=str)
async def test_a_text_in_a_query_is_neither_empty_nor_endless(
    seller: Seller, operation: Operation
) -> None:
    """422 names the parameter; nothing of such a size reaches the database."""
    for name, schema in query_of(operation).items():
        for value in ("", "%20", "x" * 20_000):
            response = await seller.admin.get(f"{_beside(operation, name)}{name}={value}")
            message = refusal_of(response, 422, f"request.{name}_invalid")
            assert message.startswith(f"{name} must "), schema
            assert len(message) < 300


def test_the_parameters_are_those_of_the_contract() -> None:
    """A filter more is a promise more; one that is gone breaks somebody's program."""
    expected = {
        "GET /api/v1/customers": {
            "page",
            "per_page",
            "search",
            "external_id",
            "email",
            "country",
        },
        "GET /api/v1/customers/{customer_id}": set(),
        "GET /api/v1/access-tokens": {"page", "per_page"},
        "GET /api/v1/access-tokens/{token_id}": set(),
        "GET /api/v1/audit": {
            "cursor",
            "per_page",
            "action",
            "actor_kind",
            "actor_id",
            "subject_type",
            "subject_id",
        },
    }
    described = {str(one): set(query_of(one)) for one in READS}
    assert {operation: described.get(operation) for operation in expected} == expected
