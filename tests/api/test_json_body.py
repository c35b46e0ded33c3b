import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from tests.api.envelope import refusal_of
from tests.api.operations import OPERATIONS, Operation, example_body, resolve, subjects_of
from tests.conftest import Seller

from tollkeeper.api.json_body import parse_json
from tollkeeper.kernel.errors import CodedError

# The hot routes read their bodies in a manner of their own; see the tests of usage.
CHANGES = [operation for operation in OPERATIONS if operation.takes_key]
JSON = {"Content-Type": "application/json"}
LIMIT = 1_048_576

MALFORMED: dict[str, tuple[bytes, str]] = {
    "cut off": (b"{", "line 1, column 2"),
    "blank": (b" \n", "line 2, column 1: Expecting value"),
    "two values": (b"{} {}", "line 1, column 4: Extra data"),
    "single quotes": (b"{'name': 1}", "line 1, column 2"),
    "a comment": (b"{} // no", "Extra data"),
    "a trailing comma": (b'{"name": 1,}', "line 1"),
    "a raw control character": (b'{"name": "a\x00b"}', "Invalid control character"),
    "latin-1": (b'{"name": "\xe9"}', "not valid UTF-8 at byte 10"),
    "utf-16": ('{"name": 1}'.encode("utf-16"), "not valid UTF-8 at byte 0"),
    "overlong utf-8": (b'{"name": "\xc0\x80"}', "not valid UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "send it without one"),
    "NUL": (rb'{"name": "a\u0000b"}', "name contains a NUL character"),
    "NUL in a name": (rb'{"na\u0000me": 1}', "na?me contains a NUL character"),
    "NUL below": (rb'{"a": [{"b": ["\u0000"]}]}', "a[0].b[0] contains a NUL character"),
    "half a pair": (rb'{"name": "\ud800"}', "name contains a NUL character or half of a surrogate"),
    "half a pair in a name": (rb'{"\udfff": 1}', "? contains a NUL character or half"),
    "half a pair twice": (rb'{"\ud800": 1, "\ud800": 2}', r"'\ud800' stands twice"),
    "half a pair alone": (rb'"\ud800"', "the body contains a NUL character or half"),
    "5000 digits": (b'{"n": ' + b"9" * 5_000 + b"}", "is beyond any that is used here"),
    "5000 decimals": (b'{"n": 0.' + b"9" * 5_000 + b"}", "is beyond any that is used here"),
    "a huge exponent": (b'{"n": 1e1001}', "the number 1e1001... is beyond any"),
    "a vast exponent": (b'{"n": 1e999999999999999999999}', "is beyond any that is used here"),
    "a tiny exponent": (b'{"n": -1e-99999}', "the number -1e-99999... is beyond any"),
    "nothing with an exponent": (b'{"n": 0e99999}', "is beyond any that is used here"),
    "NaN": (b'{"n": NaN}', "NaN is not a JSON number; send a finite one"),
    "infinity": (b'{"n": -Infinity}', "-Infinity is not a JSON number; send a finite one"),
    "33 levels": (b"[" * 33 + b'""' + b"]" * 33, "more than 32 levels deep; flatten it"),
    "100,000 levels": (b"[" * 100_000, "more than 32 levels deep; flatten it"),
    "100,000 objects": (b'{"a":' * 100_000, "more than 32 levels deep; flatten it"),
    "a name twice": (b'{"name": 1, "name": 1}', "'name' stands twice in one object; send it once"),
    "a name twice below": (b'{"a": {"b": 1, "b": 2}}', "'b' stands twice in one object"),
}

NOT_JSON = [
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application/json, text/plain",
    "json",
    "application/",
    ";",
]
# One of each type of JSON; none is a value that a field of another type takes.
VALUES = {
    "null": b"null",
    "boolean": b"true",
    "integer": b"7",
    "number": b"7.5",
    "string": b'"\\n"',
    "array": b"[[]]",
    "object": b'{"": 1}',
}


async def send(
    seller: Seller, operation: Operation, content: bytes, headers: dict[str, str]
) -> httpx.Response:
    path = operation.at(**await subjects_of(seller))
    return await seller.admin.request(operation.method, path, content=content, headers=headers)


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_what_is_no_json_is_refused_by_every_change(
    seller: Seller, operation: Operation
) -> None:
    """400 and the place of the fault, or the remedy; never 500."""
    path = operation.at(**await subjects_of(seller))
    for content, words in MALFORMED.values():
        for headers in (JSON, {**JSON, "Idempotency-Key": "k"}):
            response = await seller.admin.request(
                operation.method, path, content=content, headers=headers
            )
            assert words in refusal_of(response, 400, "request.malformed_json")


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_what_is_no_object_is_refused(seller: Seller, operation: Operation) -> None:
    """A body is an object with names."""
    path = operation.at(**await subjects_of(seller))
    for content in (b"[]", b'["name"]', b'"name"', b"7", b"true", b"1.5"):
        response = await seller.admin.request(operation.method, path, content=content, headers=JSON)
        message = refusal_of(response, 422, "request.body_invalid")
        assert message == "body must be a JSON object"


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_a_body_that_is_needed_is_asked_for(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """Without one: 422 where there must be one, and no complaint elsewhere."""
    response = await send(seller, operation, b"", {})
    if operation.described["requestBody"].get("required"):
        assert refusal_of(response, 422, "request.body_required") == "body is required"
    else:
        assert response.is_success
        assert example_body(app, operation) == {}


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_another_media_type_is_refused(seller: Seller, operation: Operation) -> None:
    """415 says which one to send, and which one was sent."""
    path = operation.at(**await subjects_of(seller))
    for media_type in NOT_JSON:
        headers = {"Content-Type": media_type} if media_type else {}
        response = await seller.admin.request(
            operation.method, path, content=b"{}", headers=headers
        )
        message = refusal_of(response, 415, "request.unsupported_media_type")
        assert message == (
            f"the body must be JSON with Content-Type: application/json, not {media_type!r}"
        )


@pytest.mark.parametrize(
    "given",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json ; x=y",
        "application/vnd.api+json",
        "application/merge-patch+json",
    ],
)
async def test_every_spelling_of_json_is_read(seller: Seller, given: str) -> None:
    """RFC 6838: case, parameters and the suffix +json make no other format of it."""
    content = b'{"name": "Ada", "email": "ada@example.com"}'
    response = await seller.writer.post(
        "/customers", content=content, headers={"Content-Type": given}
    )
    assert response.status_code == 201


async def test_a_compressed_body_is_refused(seller: Seller) -> None:
    """415 too: nothing is unpacked, so nothing can be larger than it looks."""
    content = gzip.compress(b'{"name": "Ada", "email": "ada@example.com"}')
    headers = {**JSON, "Content-Encoding": "gzip"}
    response = await seller.writer.post("/customers", content=content, headers=headers)
    message = refusal_of(response, 415, "request.unsupported_media_type")
    assert "without Content-Encoding, not 'gzip'" in message


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_a_body_beyond_the_limit_is_refused(seller: Seller, operation: Operation) -> None:
    """413 with the limit in bytes, whether its length was declared or not."""
    path = operation.at(**await subjects_of(seller))
    for size in (LIMIT + 1, 10 * LIMIT, 20 * LIMIT):
        for content in (b"x" * size, _chunks(b"x" * size)):
            response = await seller.admin.request(
                operation.method, path, content=content, headers=JSON
            )
            message = refusal_of(response, 413, "request.too_large")
            assert message == f"the body must not exceed {LIMIT} bytes"


async def test_who_asks_before_sending_too_much_is_answered_before(seller: Seller) -> None:
    """With `Expect: 100-continue` the declared length decides; nothing is sent in vain."""
    sent = []

    async def body() -> AsyncIterator[bytes]:
        sent.append(b"x")
        yield b"x"

    headers = {**JSON, "Expect": "100-continue", "Content-Length": str(LIMIT + 1)}
    response = await seller.writer.post("/customers", content=body(), headers=headers)
    refusal_of(response, 413, "request.too_large")
    assert sent == []


async def test_a_body_of_just_the_limit_is_read(seller: Seller) -> None:
    """The limit itself is within it."""
    content = b'{"name": "Ada", "email": "ada@example.com"}'.ljust(LIMIT)
    response = await seller.writer.post("/customers", content=content, headers=JSON)
    assert response.status_code == 201


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_unknown_fields_are_refused_by_name(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """A field that is ignored would be a promise that is not kept."""
    for name in ("colour", "__proto__", "id", "Name", "provider_id", "name ", "", "é" * 300):
        body = {**example_body(app, operation), name: 1}
        response = await send(seller, operation, json.dumps(body).encode(), JSON)
        message = refusal_of(response, 422, "request.unknown_field")
        assert message == f"{name[:200] or 'body'} is not a known field"


@pytest.mark.parametrize("operation", CHANGES, ids=str)
async def test_every_field_refuses_what_is_not_of_its_type(
    seller: Seller, app: FastAPI, operation: Operation
) -> None:
    """422, and the message begins with the field's name."""
    assert operation.body_schema is not None
    path = operation.at(**await subjects_of(seller))
    for name, schema in next(resolve(app, operation.body_schema))["properties"].items():
        kinds = {part.get("type", "object") for part in schema.get("anyOf", [schema])}
        for kind, value in VALUES.items():
            if kind not in kinds:
                body = json.dumps(example_body(app, operation) | {name: "?"}).encode()
                response = await seller.admin.request(
                    operation.method, path, content=body.replace(b'"?"', value), headers=JSON
                )
                assert response.status_code == 422, (name, value, response.text)
                message = response.json()["error"]["message"]
                assert message.startswith(f"{name} must be "), (name, value, message)


async def test_a_hostile_body_is_judged_in_a_moment(seller: Seller) -> None:
    """Its cost is in proportion to its size: no combination of its parts is worse."""
    many = b",".join(b'"%06d":1' % number for number in range(80_000))
    few = many[: many.index(b',"040000"')]
    long_name = b"n" * 500_000
    for content, status in (
        (b"{" + many + b',"079999":1}', 400),
        (b'{"' + long_name + b'":{' + few + b"}}", 422),
        (b'{"' + long_name + b'":{"a":"\\u0000"}}', 400),
        (b"{" + many + b"}", 422),
        (b'{"metadata":{' + many + b"}}", 422),
        (b"[" + b"1," * 400_000 + b"1]", 422),
        (b"[" + b"[]," * 300_000 + b"[]]", 422),
    ):
        started = time.perf_counter()
        response = await seller.writer.post("/customers", content=content, headers=JSON)
        assert response.status_code == status, response.text[:300]
        assert len(response.content) < 100_000
        assert time.perf_counter() - started < 3


@given(st.binary())
def test_no_bytes_whatever_break_the_parser(body: bytes) -> None:
    """They are JSON, or refused as what is none."""
    with suppress(CodedError):
        parse_json(body)


_JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**398), 10**398)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            children,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON_VALUES)
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    """The parser refuses nothing that can be stored."""
    assert parse_json(json.dumps(value).encode()) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_number_keeps_its_digits(number: Decimal) -> None:
    """No binary float comes between."""
    read = parse_json(f"[{number}]".encode())[0]
    assert str(read) == str(number) or (read == number and isinstance(read, int))
