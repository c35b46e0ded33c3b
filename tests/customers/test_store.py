from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import NewSeller, Seller, operate

from tollkeeper.customers import queries, store
from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.pages import Page


async def create(seller: Seller, name: str, **fields: Any) -> Any:
    body = {"name": name, "email": "nobody@invalid.example", **fields}
    response = await seller.writer.post("/customers", json=body)
    assert response.status_code == 201, response.text
    return response.json()["data"]


async def found_by(seller: Seller, search: str) -> set[str]:
    response = await seller.reader.get("/customers", params={"search": search})
    assert response.status_code == 200, response.text
    assert response.json()["meta"]["total"] == len(response.json()["data"])
    return {customer["name"] for customer in response.json()["data"]}


@pytest.mark.parametrize(
    "search",
    [
        "Ada",
        "ada",
        "ADA LOVELACE",
        "lovelace ada",
        "love",
        "ada@example.com",
        "example",
        "exam",
        "cus_1842",
        "1842",
        "  ada   love  ",
        "ada-lovelace",
    ],
)
async def test_words_or_their_beginnings_find_a_customer(seller: Seller, search: str) -> None:
    """Name, e-mail and external id are searched, in any case and order of words."""
    await create(seller, "Ada Lovelace", email="ada@example.com", external_id="cus_1842")
    await create(seller, "Charles Babbage", email="charles@elsewhere.org", external_id="cus_77")
    assert await found_by(seller, search) == {"Ada Lovelace"}


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("Müller GmbH", "MÜLLER"),
        ("Nuñez", "nuñ"),
        ("Ольга", "ОЛЬ"),
        ("東京電力", "東京"),
        ("हिन्दी संस्थान", "हिन्दी"),
        ("O'Neil & Sons", "o'neil"),
        ("x²", "x²"),
        ("A.B.C. 1e5", "1e5"),
    ],
)
async def test_a_name_is_found_in_any_script(seller: Seller, name: str, search: str) -> None:
    """What was stored is found by what it was stored as."""
    await create(seller, name)
    await create(seller, "Somebody Else")
    assert await found_by(seller, search) == {name}


@pytest.mark.parametrize(
    "search",
    [
        "' or 1=1 --",
        "'; drop table customers; --",
        "!Ada",
        "Ada & !Babbage",
        "Ada | Babbage",
        "Ada <-> Babbage",
        "Babbage:*",
        "(((",
        "\\",
        "'\\''",
        ":* & :*",
        "&",
        "-",
        "%",
        "$1",
        ":words",
        "x" * 255,
        "😀",
    ],
)
async def test_a_search_is_words_and_never_a_query(seller: Seller, search: str) -> None:
    """No operator of SQL or of text search works: at most the words in it are looked for."""
    await create(seller, "Ada")
    found = await found_by(seller, search)
    assert found == ({"Ada"} if search == "!Ada" else set())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(search=st.text(min_size=1, max_size=255).filter(lambda text: "\x00" not in text))
async def test_any_text_can_be_searched_for(seller: Seller, runtime: Runtime, search: str) -> None:
    """No text whatever makes the database fail."""
    encodable = search.encode("utf-8", "replace").decode()
    async with operate(runtime, seller.scope) as work:
        page = await store.list_customers(work.scope, work.db, Page(), search=encodable, filters={})
    assert page.total == 0


async def test_every_statement_names_whose_data_it_is(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """The first wall holds alone: on the operator's connection no policy stands behind it."""
    a, b = await new_seller(), await new_seller()
    made = await create(a, "Ada", external_id="cus_1")
    async with operate(runtime, a.scope) as work:
        customer = await queries.get_customer(work, made["id"])
    async with operate(runtime, b.scope) as work:
        for reference in (made["id"], "cus_1"):
            with pytest.raises(CodedError, match=r"customers\.not_found"):
                await queries.get_customer(work, reference, lock=True)
        everybody = await store.list_customers(
            work.scope, work.db, Page(), search=None, filters={"email": customer.email}
        )
        assert (everybody.items, everybody.total) == ((), 0)
        await store.update_customer(work.scope, work.db, replace(customer, name="Eve"))
        await store.delete_customer(work.scope, work.db, customer.id)
    assert (await a.reader.get(f"/customers/{made['id']}")).json()["data"] == made
