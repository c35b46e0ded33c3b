"""Usage events as they come: one by one, in arrays, as lines, as CloudEvents; each read alone."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tollkeeper.api.errors import (
    BODY_INVALID,
    BODY_REQUIRED,
    MALFORMED_JSON,
    UNKNOWN_FIELD,
    UNSUPPORTED_MEDIA_TYPE,
)
from tollkeeper.api.json_body import parse_json
from tollkeeper.gate.model import Usage
from tollkeeper.kernel.clock import parse_instant
from tollkeeper.kernel.errors import CodedError, ErrorCode, InvalidValue
from tollkeeper.kernel.ids import parse_uuid
from tollkeeper.kernel.quantity import parse_positive_quantity
from tollkeeper.metering.errors import TOO_MANY_EVENTS

MOST_EVENTS = 10_000
_MOST_PROPERTIES_BYTES = 8_192
_WHOLE = re.compile(rb"[1-9][0-9]{0,17}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_WRONG = re.compile(r"Expected `(.+?)`, got `.+?` - at `\$\.(\w+)`")
_NULL = msgspec.Raw(b"null")
_NAMES = {"str": "a string", "str | null": "a string"}


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A usage event as the contract has it. Numbers stay text until they are read exactly."""

    customer_id: str
    amount: msgspec.Raw
    reason: str
    request_id: str
    timestamp: str | None = None
    properties: msgspec.Raw = _NULL


class CloudEvent(msgspec.Struct, gc=False):
    """CloudEvents 1.0 (https://cloudevents.io): id, subject, type and time are what they say.

    `data` is the properties, except for `amount`, which is 1 where it is missing.
    """

    specversion: str
    id: str
    type: str
    subject: str
    time: str | None = None
    data: dict[str, msgspec.Raw] | None = None


class _Peek(msgspec.Struct, gc=False):
    specversion: str | None = None


_decode_event = msgspec.json.Decoder(Event).decode
_decode_cloud_event = msgspec.json.Decoder(CloudEvent).decode
_decode_peek = msgspec.json.Decoder(_Peek).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def require_json(media_type: str) -> None:
    """Raises request.unsupported_media_type."""
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise UNSUPPORTED_MEDIA_TYPE.error(
            f"the body must be JSON with Content-Type: application/json, not {media_type[:100]!r}"
        )


def require_body(body: bytes) -> None:
    """Raises request.body_required."""
    if not body.strip():
        sentence = "body is required"
        raise BODY_REQUIRED.error(sentence, details=[_detail("body", BODY_REQUIRED, sentence)])


def split_events(body: bytes, media_type: str) -> list[bytes]:
    """The events of a bulk body, each as JSON that nobody has read yet.

    Raises request.unsupported_media_type, request.malformed_json or usage.too_many_events.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "application/x-ndjson":
        events = [line for line in body.split(b"\n") if line.strip()]
    elif kind in {
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
    }:
        events = list(_of_json(body))
    else:
        raise UNSUPPORTED_MEDIA_TYPE.error(
            "the body must be application/json, application/x-ndjson or CloudEvents as JSON, not "
            f"{media_type[:100]!r}"
        )
    if len(events) > MOST_EVENTS:
        raise TOO_MANY_EVENTS.error(
            f"the body has {len(events)} events; send at most {MOST_EVENTS} at once"
        )
    return events


def read_usage(raw: bytes, *, provider_id: str, now: datetime, future: timedelta) -> Usage:
    """One event, checked. Raises a CodedError that names the field first."""
    try:
        event = _decode_event(raw)
    except msgspec.ValidationError as error:
        event = _as_cloud_event(raw) or _refuse(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(raw, error) from error
    customer = _text(event.customer_id, "customer_id")
    try:
        parse_uuid(customer)
        named = {"c": customer}
    except InvalidValue:
        named = {"e": customer}
    return Usage(
        p=provider_id,
        r=_text(event.reason, "reason"),
        a=_amount(bytes(event.amount)),
        i=_text(event.request_id, "request_id"),
        t=now if event.timestamp is None else _instant(event.timestamp, now + future),
        x=_properties(event.properties),
        **named,
    )


def _of_json(body: bytes) -> Iterator[bytes]:
    try:
        if body.lstrip()[:1] == b"[":
            yield from map(bytes, _decode_array(body))
        else:
            msgspec.json.decode(body, type=msgspec.Raw)
            yield body
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, error) from error


def _malformed(body: bytes, error: Exception) -> CodedError:
    """What is wrong with it, and where, in the words of every other route."""
    try:
        parse_json(body)
    except CodedError as refusal:
        return refusal
    return MALFORMED_JSON.error(f"the body is not valid JSON: {error}")


def _as_cloud_event(raw: bytes) -> Event | None:
    """The event that a CloudEvent stands for; None if it is none."""
    try:
        if _decode_peek(raw).specversion is None:
            return None
    except msgspec.ValidationError:
        return None
    try:
        cloud = _decode_cloud_event(raw)
    except msgspec.ValidationError as error:
        raise _refusal(error) from error
    data = dict(cloud.data or {})
    amount = data.pop("amount", msgspec.Raw(b"1"))
    return Event(
        customer_id=cloud.subject,
        amount=amount,
        reason=cloud.type,
        request_id=cloud.id,
        timestamp=cloud.time,
        properties=msgspec.Raw(msgspec.json.encode(data)) if data else _NULL,
    )


def _refuse(error: msgspec.ValidationError) -> Event:
    raise _refusal(error) from error


def _refusal(error: msgspec.ValidationError) -> CodedError:
    words = str(error)
    if match := _MISSING.match(words):
        return _invalid(match[1], "is required", "required")
    if match := _UNKNOWN.match(words):
        sentence = f"{match[1][:100]} is not a known field"
        return UNKNOWN_FIELD.error(
            sentence, details=[_detail(match[1][:100], UNKNOWN_FIELD, sentence)]
        )
    if match := _WRONG.match(words):
        return _invalid(match[2], f"must be {_NAMES.get(match[1], match[1])}")
    return BODY_INVALID.error("body must be a JSON object")


def _text(value: str, field: str) -> str:
    if not value.strip() or len(value) > 255:
        raise _invalid(field, "must have 1 to 255 characters, not all of them blank")
    if _UNSTORABLE.search(value):
        raise _invalid(field, "must not contain a NUL character")
    return value


def _amount(raw: bytes) -> Decimal:
    if _WHOLE.fullmatch(raw):
        return Decimal(int(raw))
    # The digits of a number, or of the text of one; anything else is left to be refused.
    digits = raw.decode().strip('"') if raw[:1] in b'"-0123456789' else None
    try:
        return parse_positive_quantity(digits)
    except InvalidValue as error:
        raise _invalid("amount", str(error)) from error


def _instant(value: str, latest: datetime) -> datetime:
    try:
        instant = parse_instant(value)
    except InvalidValue as error:
        raise _invalid("timestamp", str(error)) from error
    if instant > latest:
        raise _invalid("timestamp", "must not lie in the future; check the sender's clock")
    return instant


def _properties(raw: msgspec.Raw) -> msgspec.Raw | None:
    content = bytes(raw)
    if content == b"null":
        return None
    if content[:1] != b"{":
        raise _invalid("properties", "must be a JSON object")
    if len(content) > _MOST_PROPERTIES_BYTES:
        raise _invalid("properties", f"must not exceed {_MOST_PROPERTIES_BYTES} bytes as JSON")
    if _ESCAPED.search(content) and _UNSTORABLE.search(str(msgspec.json.decode(content))):
        raise _invalid("properties", "must not contain a NUL character")
    return raw


def _invalid(field: str, words: str, fault: str = "invalid") -> CodedError:
    sentence = f"{field} {words}"
    kind = ErrorCode(f"usage.{field}_{fault}", 422, "A field is missing or not valid.", "")
    return kind.error(sentence, details=[_detail(field, kind, sentence)])


def _detail(field: str, kind: ErrorCode, sentence: str) -> dict[str, Any]:
    return {"field": field, "code": kind.code, "message": sentence}
