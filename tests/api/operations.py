"""The operations that the OpenAPI document describes, and what it says of their answers."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema_rs
from fastapi import FastAPI
from tests.conftest import Seller

from tollkeeper.api.app import create_app, document
from tollkeeper.infra.runtime import Runtime

_JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """One method at one path."""

    method: str
    path: str
    described: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def takes_key(self) -> bool:
        """Whether an `Idempotency-Key` makes it happen once."""
        named = {one["name"] for one in self.described.get("parameters", ())}
        return "Idempotency-Key" in named

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def needed(self) -> dict[str, str]:
        """A value for each parameter of the query that cannot be left out."""
        return {
            one["name"]: "x"
            for one in self.described.get("parameters", ())
            if one["in"] == "query" and one["required"]
        }

    @property
    def body_schema(self) -> Mapping[str, Any] | None:
        content = self.described.get("requestBody", {}).get("content", {})
        return content[_JSON]["schema"] if content else None

    def at(self, **values: str) -> str:
        """The path below the clients' base address, with these values in it."""
        return self.path.format(**values).removeprefix("/api/v1")


def _never_opened() -> AbstractAsyncContextManager[Runtime]:
    raise NotImplementedError


OPERATIONS = [
    Operation(method.upper(), path, described)
    for path, methods in document(create_app(_never_opened))["paths"].items()
    for method, described in methods.items()
]


def resolve(app: FastAPI, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The object schemas that a schema stands for."""
    for part in schema.get("anyOf", [schema]):
        if "$ref" in part:
            yield document(app)["components"]["schemas"][part["$ref"].rpartition("/")[2]]
        else:
            yield part


def example_body(app: FastAPI, operation: Operation) -> dict[str, Any]:
    """The body that the document shows for it."""
    assert operation.body_schema is not None
    described = next(resolve(app, operation.body_schema))
    example: dict[str, Any] = described["examples"][0]
    return dict(example)


async def subjects_of(seller: Seller) -> dict[str, str]:
    """Something of this seller's for each name that may stand in a path."""
    body = {"name": "Ada", "email": "ada@example.com"}
    customer = await seller.admin.post("/customers", json=body)
    token = await seller.admin.post("/access-tokens", json={"name": "t", "scope": "api:read"})
    return {
        "customer_id": customer.json()["data"]["id"],
        "token_id": str(token.json()["data"]["id"]),
    }


class Held:
    """Holds answers to the document: a status that it names, a body of its schema."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._patterns = [
            (operation, re.compile(re.sub(r"{\w+}", "[^/]+", operation.path)))
            for operation in OPERATIONS
        ]
        self._validators: dict[str, Any] = {}

    async def __call__(self, response: httpx.Response) -> None:
        await response.aread()
        assert response.headers["x-request-id"]
        request = response.request
        path = request.url.raw_path.decode().partition("?")[0]
        if not path.startswith("/api/v1") or request.method == "HEAD":
            return
        operation = self._operation(request.method, path)
        if operation is None:
            assert response.status_code in {404, 405, 422}, f"{request.method} {path}"
            self.check({"$ref": "#/components/schemas/ErrorEnvelope"}, response.text)
            return
        described = operation.described["responses"]
        status = str(response.status_code)
        assert status in described, f"{operation} answered {status}: {response.text}"
        self.check(described[status]["content"][_JSON]["schema"], response.text)

    def check(self, schema: Mapping[str, Any], text: str) -> None:
        """Raises AssertionError where the JSON text is not of the schema."""
        key = json.dumps(schema)
        if key not in self._validators:
            components = document(self._app)["components"]
            self._validators[key] = jsonschema_rs.validator_for(
                {**schema, "components": components}, validate_formats=True
            )
        # Only shapes count here, and the validator knows no number beyond a binary float.
        instance = json.loads(text, parse_float=lambda _digits: 0.5)
        faults = [
            f"{error.instance_path}: {error.message}"
            for error in self._validators[key].iter_errors(instance)
        ]
        assert not faults, f"{faults} in {text}"

    def _operation(self, method: str, path: str) -> Operation | None:
        found = (
            operation
            for operation, pattern in self._patterns
            if operation.method == method and pattern.fullmatch(path)
        )
        return next(found, None)
