"""The hot routes of usage: one use that asks, and many that have happened."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec

from tollkeeper.api.documents import hot_operation
from tollkeeper.api.hot import Call, HotRoute
from tollkeeper.api.usage_body import (
    MOST_EVENTS,
    read_usage,
    require_body,
    require_json,
    split_events,
)
from tollkeeper.customers.errors import CUSTOMER_NOT_FOUND
from tollkeeper.gate.errors import INSUFFICIENT, LIMIT_REACHED, REQUEST_ID_REUSED
from tollkeeper.gate.model import Outcome, Settled, Usage
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.quantity import format_quantity

_EXAMPLE_EVENT = {
    "customer_id": "cus_1842",
    "amount": 1250,
    "reason": "tokens",
    "request_id": "req_7f3a9c",
    "properties": {"model": "small", "type": "output"},
}
_TEXT = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\x00]*[^\s\x00][^\x00]*$",
}
_EVENT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["customer_id", "amount", "reason", "request_id"],
    "properties": {
        "customer_id": {**_TEXT, "description": "The customer's id or external id."},
        "amount": {
            "description": "How much, exactly: a number or the text of one.",
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 10**20 - 1},
                {"type": "string", "pattern": r"^[1-9][0-9]{0,19}$"},
                {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01, "maximum": 10**12},
            ],
        },
        "reason": {**_TEXT, "description": "What was used: names the unit, such as `tokens`."},
        "request_id": {**_TEXT, "description": "Yours; counts once, for ever."},
        "timestamp": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When it was used; now, if left out.",
        },
        "properties": {"type": ["object", "null"], "description": "Up to 8 KiB as JSON."},
    },
    "examples": [_EXAMPLE_EVENT],
}
_CONSUMED_TEMPLATE = (
    b'{"data":{"consumed":true,"amount":%s,"reason":%s,"request_id":%s,"customer_id":"%s",'
    b'"settled_against":"%s","cost":%s,"balance":%s,"remaining_allowance":%s,"duplicate":%s%s},'
    b'"meta":{}}'
)
# How many events are read before others get their turn.
_AT_ONCE = 500
_text = msgspec.json.Encoder().encode


async def consume(call: Call) -> bytes:
    """Settle one use now: it is recorded and paid for, or refused and nothing is."""
    require_body(call.body)
    require_json(call.media_type)
    usage = _read(call, call.body)
    settled = await call.gate.lane.submit(usage)
    refusal = _refusal(settled, usage)
    if refusal is not None:
        raise refusal
    return _consumed(usage, settled)


async def record(call: Call) -> bytes:
    """Record usage that has happened. A bad event is rejected alone, by its index."""
    require_body(call.body)
    raws = split_events(call.body, call.media_type)
    usages: list[Usage] = []
    indexes: list[int] = []
    rejected: list[tuple[int, CodedError]] = []
    for index, raw in enumerate(raws):
        if index % _AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            usages.append(_read(call, raw))
            indexes.append(index)
        except CodedError as error:
            rejected.append((index, error))
    recorded = duplicates = 0
    answers = await call.gate.recorder.record(usages)
    for index, usage, answer in zip(indexes, usages, answers, strict=True):
        refusal = answer if isinstance(answer, CodedError) else _refusal(answer, usage)
        if refusal is not None:
            rejected.append((index, refusal))
        elif isinstance(answer, Settled) and answer.outcome is Outcome.DUPLICATE:
            duplicates += 1
        else:
            recorded += 1
    faults = [
        {"index": index, "code": error.kind.code, "message": error.message}
        for index, error in sorted(rejected, key=lambda fault: fault[0])
    ]
    data = {"recorded": recorded, "duplicates": duplicates, "rejected": faults}
    return _text({"data": data, "meta": {}})


def _read(call: Call, raw: bytes) -> Usage:
    return read_usage(
        raw,
        provider_id=str(call.principal.provider.id),
        now=call.runtime.clock.now(),
        future=timedelta(seconds=call.runtime.settings.usage_future_seconds),
    )


def _refusal(settled: Settled, usage: Usage) -> CodedError | None:
    match settled.outcome:
        case Outcome.RECORDED | Outcome.DUPLICATE:
            return None
        case Outcome.CONFLICT:
            return REQUEST_ID_REUSED.error(
                f"request_id {usage.i!r} was used for another event; use a new one"
            )
        case Outcome.INSUFFICIENT:
            figures = {
                "balance": msgspec.Raw(settled.balance),
                "required": msgspec.Raw(settled.cost),
            }
            return INSUFFICIENT.error(
                f"the balance is {settled.balance}, {settled.cost} is required", details=[figures]
            )
        case Outcome.LIMIT_REACHED:
            return LIMIT_REACHED.error(
                f"{settled.allowance} of {usage.r!r} is left, {format_quantity(usage.a)} is asked",
                retry_after_seconds=60,
            )
        case _:
            return CUSTOMER_NOT_FOUND.error(f"there is no customer {usage.c or usage.e!r}")


def _consumed(usage: Usage, settled: Settled) -> bytes:
    """The answer, with the digits as PostgreSQL wrote them."""
    return _CONSUMED_TEMPLATE % (
        format_quantity(usage.a).encode(),
        _text(usage.r),
        _text(usage.i),
        str(settled.customer_id).encode(),
        b"credits" if settled.allowance is None else b"plan",
        settled.cost.encode(),
        settled.balance.encode(),
        (settled.allowance or "null").encode(),
        b"true" if settled.outcome is Outcome.DUPLICATE else b"false",
        b',"warning":true' if settled.warning else b"",
    )


_CONSUMED = {
    "consumed": True,
    "amount": 1250,
    "reason": "tokens",
    "request_id": "req_7f3a9c",
    "customer_id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5e",
    "settled_against": "credits",
    "cost": 1250,
    "balance": 8750,
    "remaining_allowance": None,
    "duplicate": False,
}
_RECORDED = {
    "recorded": 1,
    "duplicates": 0,
    "rejected": [
        {"index": 1, "code": "customers.not_found", "message": "there is no customer 'nobody'"}
    ],
}

HOT_ROUTES = (
    HotRoute(
        "/api/v1/credits/consume",
        consume,
        hot_operation(
            "Consume credits",
            "Deduplicates, checks, debits and records one use, in one transaction. The same "
            "request again has the same figures and `duplicate: true`; what does not fit is "
            "refused (402, or 429 at a hard limit), and nothing is recorded.",
            tag="credits",
            bodies={"application/json": (_EVENT, _EXAMPLE_EVENT)},
            answer=_CONSUMED,
            statuses=(402, 429),
        ),
        lambda runtime: runtime.settings.max_body_bytes,
    ),
    HotRoute(
        "/api/v1/usage/events",
        record,
        hot_operation(
            "Record usage events",
            f"One event, an array of up to {MOST_EVENTS}, NDJSON, or CloudEvents 1.0. Usage that "
            "has happened is recorded even when the balance goes below zero. A bad event is "
            "rejected alone, with its index.",
            tag="usage",
            bodies={
                "application/json": (
                    {
                        "anyOf": [
                            _EVENT,
                            {"type": "array", "items": _EVENT, "maxItems": MOST_EVENTS},
                        ]
                    },
                    [_EXAMPLE_EVENT],
                ),
            },
            answer=_RECORDED,
            statuses=(),
        ),
        lambda runtime: runtime.settings.max_bulk_body_bytes,
    ),
)
