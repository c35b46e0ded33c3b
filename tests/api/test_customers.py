from typing import Any

import pytest
from tests.api.envelope import data_of, refusal_of
from tests.conftest import Seller

from tollkeeper.kernel.clock import ManualClock
from tollkeeper.kernel.ids import new_uuid7

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
ALL_FIELDS: dict[str, Any] = {
    "name": "Analytical Engines Ltd",
    "email": "ada@example.com",
    "external_id": "cus_1842",
    "currency": "eur",
    "timezone": "Europe/London",
    "country": "GB",
    "address": {
        "line1": "12 St James's Square",
        "line2": "2nd floor",
        "city": "London",
        "state": "Greater London",
        "postal_code": "SW1Y 4JH",
        "country": "GB",
    },
    "tax_id": "GB123456789",
    "metadata": {"tier": "gold", "seats": 3, "nested": {"list": [1, None, True]}},
}


async def create(seller: Seller, **fields: Any) -> Any:
    return data_of(await seller.writer.post("/customers", json={**ADA, **fields}), 201)


async def test_creating_a_customer_answers_as_the_contract_says(seller: Seller) -> None:
    """201, the customer in `data`, a sentence in `meta.message`; what was left out is null."""
    response = await seller.writer.post("/customers", json=ADA)
    customer = data_of(response, 201)
    assert response.json()["meta"] == {"message": "Customer created successfully"}
    assert customer == {
        **ADA,
        "id": customer["id"],
        "external_id": None,
        "currency": None,
        "timezone": "UTC",
        "country": None,
        "address": None,
        "tax_id": None,
        "metadata": {},
        "created_at": "2026-06-06T12:00:00Z",
        "updated_at": "2026-06-06T12:00:00Z",
    }


async def test_a_customer_is_read_as_it_was_written(seller: Seller) -> None:
    """Every field is stored, and comes back from each route that shows the customer."""
    created = await create(seller, **ALL_FIELDS)
    assert {name: created[name] for name in ALL_FIELDS} == ALL_FIELDS
    assert data_of(await seller.reader.get(f"/customers/{created['id']}")) == created
    assert data_of(await seller.reader.get("/customers")) == [created]


@pytest.mark.parametrize("external_id", ["cus_1842", "org/42", "a%2Fb", "50% off?#é", "..."])
async def test_the_external_id_stands_wherever_the_id_may(seller: Seller, external_id: str) -> None:
    """A provider need not keep our ids, whatever its own look like."""
    created = await create(seller, external_id=external_id)
    path = f"/customers/{_quoted(external_id)}"
    assert data_of(await seller.reader.get(path)) == created
    changed = data_of(await seller.writer.patch(path, json={"name": "Ada"}))
    assert (changed["id"], changed["name"]) == (created["id"], "Ada")
    assert data_of(await seller.reader.get("/customers", params={"external_id": external_id}))
    gone = data_of(await seller.writer.delete(path))
    assert gone == {"id": created["id"], "deleted": True}
    refusal_of(await seller.reader.get(path), 404, "customers.not_found")


async def test_an_external_id_may_look_like_an_id(seller: Seller) -> None:
    """Ids of another system are often UUIDs; where they are one of ours, ours is meant."""
    foreign = str(new_uuid7())
    first = await create(seller, external_id=foreign)
    second = await create(seller, external_id=first["id"])
    assert data_of(await seller.reader.get(f"/customers/{foreign}")) == first
    assert data_of(await seller.reader.get(f"/customers/{first['id']}")) == first
    assert data_of(await seller.reader.get(f"/customers/{second['id']}")) == second


async def test_an_external_id_belongs_to_one_customer(seller: Seller) -> None:
    """409 names the id that is taken, in creation and in change."""
    await create(seller, external_id="cus_1")
    other = await create(seller)
    code = "customers.external_id_taken"
    body = {**ADA, "external_id": "cus_1"}
    message = refusal_of(await seller.writer.post("/customers", json=body), 409, code)
    assert message == "external_id 'cus_1' belongs to another customer"
    path = f"/customers/{other['id']}"
    refusal_of(await seller.writer.patch(path, json={"external_id": "cus_1"}), 409, code)
    assert data_of(await seller.reader.get(path)) == other


async def test_a_change_sets_what_is_sent_and_leaves_the_rest(
    seller: Seller, clock: ManualClock
) -> None:
    """PATCH: an absent field stays as it is, null empties it, metadata is merged."""
    created = await create(seller, **ALL_FIELDS)
    clock.advance(60)
    changes = {"currency": "usd", "tax_id": None, "address": None, "metadata": {"tier": None}}
    changed = data_of(await seller.writer.patch(f"/customers/{created['id']}", json=changes))
    assert changed == {
        **created,
        **changes,
        "metadata": {"seats": 3, "nested": {"list": [1, None, True]}},
        "updated_at": "2026-06-06T12:01:00Z",
    }
    assert data_of(await seller.reader.get(f"/customers/{created['id']}")) == changed


@pytest.mark.parametrize("field", ["name", "email", "timezone", "metadata"])
async def test_what_a_customer_must_have_cannot_be_emptied(seller: Seller, field: str) -> None:
    """Null for such a field is a mistake, and is said to be one."""
    created = await create(seller)
    response = await seller.writer.patch(f"/customers/{created['id']}", json={field: None})
    assert refusal_of(response, 422, f"customers.{field}_invalid").startswith(f"{field} must be ")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("timezone", "Mars/Phobos", "must be an IANA time zone such as 'Europe/Berlin' or 'UTC'"),
        ("timezone", "europe/berlin", "must be an IANA time zone such as 'Europe/Berlin' or 'UTC'"),
        ("timezone", "../../etc/passwd", "must be an IANA time zone such as"),
        ("currency", "xyz", "must be an ISO 4217 currency code such as 'eur'"),
        ("currency", "", "must be an ISO 4217 currency code such as 'eur'"),
        ("country", "XX", "must be an ISO 3166-1 country code such as 'DE'"),
        ("country", "de", "must be an ISO 3166-1 country code such as 'DE'"),
        ("email", "nobody", "must be an e-mail address such as 'ada@example.com'"),
        ("email", "a@b@c", "must be an e-mail address such as 'ada@example.com'"),
        ("email", f"a@{'b' * 252}.c", "must have at most 254 characters"),
        ("name", "", "must have at least 1 character"),
        ("name", " \t", "must not be blank"),
        ("name", "x" * 256, "must have at most 255 characters"),
        ("tax_id", "x" * 65, "must have at most 64 characters"),
        ("external_id", "", "must have at least 1 character"),
        ("metadata", {str(n): n for n in range(51)}, "must have at most 50 items"),
        ("metadata", {"a": "x" * 16_384}, "must not exceed 16384 bytes as JSON"),
        ("metadata", {"": 1}, "has a name in it that must have at least 1 character"),
        ("metadata", {"x" * 101: 1}, "has a name in it that must have at most 100 characters"),
    ],
)
async def test_what_is_not_known_is_refused_and_the_message_says_what_is(
    seller: Seller, field: str, value: Any, message: str
) -> None:
    """An unknown time zone is never taken for UTC; a message names the field and the remedy."""
    created = await create(seller)
    for response in (
        await seller.writer.post("/customers", json={**ADA, field: value}),
        await seller.writer.patch(f"/customers/{created['id']}", json={field: value}),
    ):
        said = refusal_of(response, 422, f"customers.{field}_invalid")
        assert said.startswith(f"{field} {message}")
        [detail] = response.json()["error"]["details"]
        assert detail == {
            "field": field,
            "code": f"customers.{field}_invalid",
            "message": said,
        }


async def test_every_field_at_fault_is_listed(seller: Seller) -> None:
    """One round trip tells all there is to mend, the first of it in `message`."""
    response = await seller.writer.post("/customers", json={"email": "x", "colour": "red"})
    assert refusal_of(response, 422, "customers.name_required") == "name is required"
    assert [one["code"] for one in response.json()["error"]["details"]] == [
        "customers.name_required",
        "customers.email_invalid",
        "request.unknown_field",
    ]


async def test_a_currency_is_taken_in_either_case_and_answered_in_lower_case(
    seller: Seller,
) -> None:
    """Money stands beside a lower-case currency everywhere."""
    assert (await create(seller, currency="EUR"))["currency"] == "eur"


async def test_customers_are_listed_newest_first_in_pages(seller: Seller) -> None:
    """`page`, `per_page` and `total` lead through all of them, each once."""
    ids = [(await create(seller))["id"] for _ in range(5)]
    seen = []
    for page in (1, 2, 3, 4):
        response = await seller.reader.get("/customers", params={"page": page, "per_page": 2})
        seen += [one["id"] for one in data_of(response)]
        assert response.json()["meta"] == {"page": page, "per_page": 2, "total": 5}
    assert seen == ids[::-1]


async def test_filters_compare_the_field_of_their_name(seller: Seller) -> None:
    """A filter shows exactly what equals it, and counts only that."""
    one = await create(seller, external_id="one", country="DE", email="one@example.com")
    await create(seller, external_id="two", country="FR", email="two@example.com")
    for parameters in ({"external_id": "one"}, {"country": "DE"}, {"email": "one@example.com"}):
        response = await seller.reader.get("/customers", params=parameters)
        assert data_of(response) == [one]
        assert response.json()["meta"]["total"] == 1
    assert data_of(await seller.reader.get("/customers?country=FR&external_id=one")) == []


def _quoted(text: str) -> str:
    """Every byte percent-encoded, so that no client tidies the path up."""
    return "".join(f"%{byte:02X}" for byte in text.encode())
