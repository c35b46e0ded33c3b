import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Seller

JSON = {"Content-Type": "application/json"}


async def stored(seller: Seller, number: str) -> tuple[str, str, str]:
    """The number as it comes back from creation, from a replay of it, and from reading."""
    body = f'{{"name": "A", "email": "a@b", "metadata": {{"x": {number}}}}}'
    headers = {**JSON, "Idempotency-Key": number[:255]}
    created = await seller.writer.post("/customers", content=body, headers=headers)
    replayed = await seller.writer.post("/customers", content=body, headers=headers)
    read = await seller.reader.get(f"/customers/{created.json()['data']['id']}")
    found = []
    for response in (created, replayed, read):
        assert response.is_success, response.text
        found.append(response.text.partition('"metadata":{"x":')[2].partition("}")[0])
    return found[0], found[1], found[2]


@pytest.mark.parametrize(
    "number",
    [
        "12345678901234567890.123456789",
        "0.1",
        "0.10",
        "1.0",
        "100",
        "-7.50",
        "9" * 400,
        "0." + "1" * 398,
        "9007199254740993",
        "0.30000000000000004",
    ],
)
async def test_a_number_comes_back_digit_for_digit(seller: Seller, number: str) -> None:
    """From creation, from its replay and from the database; no binary float is in between."""
    assert await stored(seller, number) == (number, number, number)


@pytest.mark.parametrize("number", ["1e2", "1E+400", "1e-400", "1.50e1", "-0.0", "1e1000"])
async def test_a_number_in_another_spelling_keeps_its_value(seller: Seller, number: str) -> None:
    """The database may write it out; it is the same number."""
    assert {Decimal(text) for text in await stored(seller, number)} == {Decimal(number)}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(value=_VALUES)
async def test_metadata_comes_back_as_it_was_sent(seller: Seller, value: Any) -> None:
    """Whatever JSON it is, as long as it can be stored."""
    body = {"name": "A", "email": "a@b", "metadata": {"x": value, "__proto__": {"y": 1}}}
    response = await seller.writer.post("/customers", json=body)
    if "\\u0000" in json.dumps(value):
        assert response.status_code == 400
        return
    created = response.json()["data"]
    kept = {"__proto__": {"y": 1}} | ({} if value is None else {"x": value})
    assert created["metadata"] == kept
    read = await seller.reader.get(f"/customers/{created['id']}")
    assert read.json()["data"]["metadata"] == kept
