"""What the OpenAPI document says of each operation: its answers, its refusals, examples of both."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from tollkeeper.kernel.errors import InvalidValue


class Schema(BaseModel):
    """A body that we read: unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_object(cls, value: Any) -> Any:
        # FastAPI also reads attributes: a Decimal would do for an object without fields.
        if not isinstance(value, dict):
            raise InvalidValue("must be a JSON object")
        return value

    def given(self) -> dict[str, Any]:
        """The fields that the caller sent, by name."""
        fields = self.model_dump(exclude_unset=True)
        fields.pop("idempotency_key", None)
        return fields


class Body(Schema):
    """The body of a mutation."""

    idempotency_key: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same as the `Idempotency-Key` header, for callers that cannot set one.",
    )


class NoFields(Body):
    """The body of a mutation that needs none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Answered(BaseModel):
    """What an answer's `data` looks like."""

    model_config = ConfigDict(extra="forbid")


class NoMeta(Answered):
    """Nothing to add."""


class Created(Answered):
    """What was done, in a sentence."""

    message: str = Field(examples=["Customer created successfully"])


class Paged(Answered):
    """Where this page stands in the whole."""

    page: int
    per_page: int
    total: int


class Continued(Answered):
    """The cursor that leads on; null at the end."""

    next_cursor: str | None


class ErrorDetail(Answered):
    """One field at fault."""

    model_config = ConfigDict(extra="allow")
    field: str | None = Field(default=None, examples=["email"])
    code: str | None = Field(default=None, examples=["customers.email_required"])
    message: str | None = Field(default=None, examples=["email is required"])


class Refusal(Answered):
    """What went wrong, for programs (`code`), for people (`message`), and where to read on."""

    code: str = Field(examples=["customers.email_required"])
    message: str = Field(examples=["email is required"])
    details: list[ErrorDetail]
    docs: str = Field(examples=["http://localhost:8080/api/errors/customers.email_required"])


class ErrorEnvelope(Answered):
    """Every error, on every route."""

    error: Refusal


_REFUSALS: dict[int, tuple[str, str, str]] = {
    400: (
        "The body is not JSON, or not all of it has arrived.",
        "request.malformed_json",
        "the body is not valid JSON at line 1",
    ),
    401: ("No valid token.", "auth.unauthenticated", "invalid or missing bearer token"),
    403: (
        "The token's scope does not cover this.",
        "auth.forbidden",
        "this operation needs a token with the scope api:write; this one has api:read",
    ),
    402: (
        "The credits do not cover it, and nothing was recorded.",
        "credits.insufficient",
        "the balance is 3, 5 is required",
    ),
    404: ("It is not there.", "customers.not_found", "there is no customer 'acme'"),
    408: (
        "The body did not arrive in time.",
        "request.too_slow",
        "the body did not arrive within 30 s",
    ),
    409: (
        "It conflicts with what is there, or with another request of the same Idempotency-Key.",
        "idempotency.in_flight",
        "a request with this Idempotency-Key is still running",
    ),
    413: ("The body is too large.", "request.too_large", "the body must not exceed 1048576 bytes"),
    415: (
        "The body is not JSON by its media type.",
        "request.unsupported_media_type",
        "the body must be JSON with Content-Type: application/json, not 'text/plain'",
    ),
    422: (
        "A field or parameter is missing, unknown or invalid; the first is named.",
        "request.unknown_field",
        "colour is not a known field",
    ),
    429: (
        "The plan's limit is reached, and nothing was recorded.",
        "usage.limit_reached",
        "0 of 'tokens' is left, 5 is asked",
    ),
    503: (
        "The database is away, full or busy; `Retry-After` says when to try again.",
        "service.database_unavailable",
        "the database cannot be reached",
    ),
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for these error statuses."""
    return {status: _refusal(status) for status in statuses}


# What any resource route may answer; mutations add those of READ_BODY.
ANY_ROUTE = (401, 403, 404, 422, 503)
READ_BODY = (400, 408, 409, 413, 415)


def _refusal(status: int) -> dict[str, Any]:
    description, code, message = _REFUSALS[status]
    example = {
        "error": {
            "code": code,
            "message": message,
            "details": [],
            "docs": f"http://localhost:8080/api/errors/{code}",
        }
    }
    return {
        "model": ErrorEnvelope,
        "description": description,
        "content": {"application/json": {"example": example}},
    }


def answers(
    data: Any, meta: type[Answered], *, status: int, example: Any, meta_example: Mapping[str, Any]
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for success: the envelope around `data`, with an example."""
    name = f"{_name_of(data)}{'' if meta is NoMeta else meta.__name__}Envelope"
    envelope = create_model(name, __base__=Answered, data=(data, ...), meta=(meta, ...))
    return {
        status: {
            "model": envelope,
            "description": "Done." if status == 200 else "Created.",
            "content": {
                "application/json": {"example": {"data": example, "meta": dict(meta_example)}}
            },
        }
    }


def one(data: type[Answered], example: Any) -> dict[int | str, dict[str, Any]]:
    """200 with one thing."""
    return answers(data, NoMeta, status=200, example=example, meta_example={})


def made(data: type[Answered], example: Any, message: str) -> dict[int | str, dict[str, Any]]:
    """201 with the new thing and a sentence."""
    return answers(data, Created, status=201, example=example, meta_example={"message": message})


def page_of(data: type[Answered], example: Any) -> dict[int | str, dict[str, Any]]:
    """200 with a page of a list."""
    meta = {"page": 1, "per_page": 50, "total": 1}
    return answers(list[data], Paged, status=200, example=[example], meta_example=meta)  # type: ignore[valid-type]


def piece_of(data: type[Answered], example: Any) -> dict[int | str, dict[str, Any]]:
    """200 with a piece of an unbounded list."""
    meta = {"next_cursor": None}
    return answers(list[data], Continued, status=200, example=[example], meta_example=meta)  # type: ignore[valid-type]


def _name_of(data: Any) -> str:
    inner = getattr(data, "__args__", None)
    return f"{inner[0].__name__}List" if inner else str(data.__name__)


def hot_operation(
    summary: str,
    description: str,
    *,
    tag: str,
    bodies: Mapping[str, tuple[Any, Any]],
    answer: Any,
    statuses: tuple[int, ...],
) -> dict[str, Any]:
    """The OpenAPI operation of a hot route, which no framework describes.

    bodies: per media type, a schema and an example. statuses: beyond those of any mutation.
    """
    envelope = {"$ref": "#/components/schemas/ErrorEnvelope"}
    responses = {
        str(status): {
            "description": refusal["description"],
            "content": {"application/json": {"schema": envelope, **_example_of(refusal)}},
        }
        for status, refusal in refusals(*ANY_ROUTE, *READ_BODY, *statuses).items()
    }
    content = {"schema": {"type": "object"}, "example": {"data": answer, "meta": {}}}
    responses["200"] = {"description": "Done.", "content": {"application/json": content}}
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "operationId": summary.lower().replace(" ", "_"),
        "security": [{"access_token": []}],
        "requestBody": {
            "required": True,
            "content": {
                media_type: {"schema": schema, "example": example}
                for media_type, (schema, example) in bodies.items()
            },
        },
        "responses": dict(sorted(responses.items())),
    }


def _example_of(refusal: Mapping[str, Any]) -> dict[str, Any]:
    return {"example": refusal["content"]["application/json"]["example"]}
