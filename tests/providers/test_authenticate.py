import asyncio
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conftest import NewSeller, Seller, operate

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.clock import ManualClock
from tollkeeper.providers.authenticate import provider_name
from tollkeeper.providers.create_provider import add_domain
from tollkeeper.providers.tables import access_tokens

BASES = ("localhost", "api.example.com")
WORDS = "invalid or missing bearer token"


def token_of(client: httpx.AsyncClient) -> str:
    return client.headers["authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize(
    ("host", "slug"),
    [
        ("localhost", "default"),
        ("localhost:8080", "default"),
        ("LOCALHOST", "default"),
        ("localhost.", "default"),
        ("127.0.0.1", "default"),
        ("127.0.0.1:8080", "default"),
        ("[::1]", "default"),
        ("[::1]:8080", "default"),
        ("api.example.com", "default"),
        ("acme.localhost", "acme"),
        ("ACME.LocalHost:8080", "acme"),
        ("acme.localhost.:8080", "acme"),
        ("acme.api.example.com", "acme"),
        ("a.b.localhost", "a.b"),
        ("billing.acme.com", None),
        ("example.com", None),
        ("notlocalhost", None),
        ("evil-api.example.com", None),
        ("", None),
    ],
)
def test_the_host_says_which_provider_is_meant(host: str, slug: str | None) -> None:
    """Base domains and addresses are `default`, sub-domains their provider, else a domain."""
    assert provider_name(host, BASES)[0] == slug


@pytest.mark.parametrize(
    "host",
    [
        "[::1",
        "::1]",
        "[localhost]",
        "localhost:80:80",
        "localhost:x",
        "localhost:80@evil.com",
        "user@localhost",
        "localhost/x",
        "localhost ",
        " localhost",
        "localhost,evil",
        "[]",
        ":80",
        "0x7f.1",
        "127.1",
        "localhost\x00",
        "²",
        "local host",
    ],
)
def test_a_host_that_is_malformed_is_nobodys(host: str) -> None:
    """What another program before us may have read differently leads nowhere."""
    assert provider_name(host, BASES)[0] is None


@given(st.text())
def test_no_host_whatever_breaks_the_reading_of_hosts(host: str) -> None:
    """What a stranger sends first is read here."""
    slug, _ = provider_name(host, BASES)
    assert slug is None or slug == "default" or host.lower().startswith(slug)


async def test_a_token_works_at_its_providers_address_only(new_seller: NewSeller) -> None:
    """A's token at B's address is no token at all."""
    a, b = await new_seller(), await new_seller()
    assert (await a.reader.get("/customers")).status_code == 200
    response = await b.anonymous.get(
        "/customers", headers={"Authorization": f"Bearer {token_of(a.admin)}"}
    )
    assert response.status_code == 401
    assert response.json()["error"]["message"] == WORDS


@pytest.mark.parametrize(
    "spelling",
    ["{slug}.LOCALHOST", "{slug}.localhost:8080", "{slug}.localhost.", "{slug}.localhost.:80"],
)
async def test_one_address_has_many_spellings(seller: Seller, spelling: str) -> None:
    """Port, case and the root's dot make no other provider of it."""
    headers = {"Host": spelling.format(slug=seller.slug)}
    assert (await seller.reader.get("/customers", headers=headers)).status_code == 200


async def test_a_domain_of_ones_own_leads_to_its_provider(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """And to nobody else: a token of another provider is refused there too."""
    a, b = await new_seller(), await new_seller()
    domain = f"billing.{a.slug}.example"
    headers = {"Host": f"{domain.upper()}:443"}
    unknown = await a.reader.get("/customers", headers=headers)
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "providers.unknown_host"
    async with operate(runtime, a.scope) as work:
        await add_domain(work, domain, ("localhost",))
    assert (await a.reader.get("/customers", headers=headers)).status_code == 200
    assert (await b.reader.get("/customers", headers=headers)).status_code == 401


@pytest.mark.parametrize("host", ["nobody.localhost", "evil.com", "", "a.{slug}.localhost"])
async def test_at_an_unknown_host_nobody_answers(seller: Seller, host: str) -> None:
    """404 before any token is looked at, with the remedy on its page."""
    headers = {"Host": host.format(slug=seller.slug)}
    response = await seller.admin.get("/customers", headers=headers)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "providers.unknown_host"


async def test_a_header_that_is_sent_twice_says_nothing(seller: Seller) -> None:
    """A proxy may have read the other one."""
    token = seller.reader.headers["authorization"]
    hosts = [("Host", f"{seller.slug}.localhost"), ("Host", "localhost")]
    tokens = [("Authorization", token), ("Authorization", "Bearer 1|x")]
    unknown = await seller.reader.get("/customers", headers=hosts)
    assert unknown.status_code == 404
    unauthenticated = await seller.anonymous.get("/customers", headers=tokens)
    assert unauthenticated.status_code == 401


@pytest.mark.parametrize("form", ["bearer {0}", "BEARER {0}", "Bearer   {0}  "])
async def test_the_scheme_is_read_in_any_case(seller: Seller, form: str) -> None:
    """RFC 9110, section 11.1."""
    headers = {"Authorization": form.format(token_of(seller.reader))}
    assert (await seller.anonymous.get("/customers", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "{0}",
        "Basic {0}",
        "Bearer{0}",
        "Bearer {0}x",
        "Bearer x{0}",
        "Bearer {id}|",
        "Bearer {id}|{other}",
        "Bearer 1{id}|{secret}",
        "Bearer {id} | {secret}",
        "Bearer {id}|{secret}|{secret}",
        "Token {0}",
        "Bearer {0},Bearer {0}",
        "Bearer\t{0}",
    ],
)
async def test_every_fault_of_a_token_is_answered_alike(seller: Seller, header: str) -> None:
    """401 in the same words, so that nobody learns which half was right."""
    token = token_of(seller.reader)
    number, _, secret = token.partition("|")
    headers = {
        "Authorization": header.format(token, id=number, secret=secret, other=secret.swapcase())
    }
    response = await seller.anonymous.get("/customers", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "auth.unauthenticated"
    assert response.json()["error"]["message"] == WORDS


async def test_a_token_that_is_no_text_is_no_token(app: FastAPI, seller: Seller) -> None:
    """Bytes beyond ASCII, digits of Unicode among them, reach no database."""
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=seller.anonymous.base_url
    )
    for token in (b"\xb9|secret", "٤٢|secret".encode(), b"1|s\xe9cret", b"\xff"):
        response = await client.get("/customers", headers={b"Authorization": b"Bearer " + token})
        assert response.status_code == 401
    await client.aclose()


async def test_last_use_is_noted_at_most_once_a_minute(
    seller: Seller, runtime: Runtime, clock: ManualClock
) -> None:
    """Enough to know which token may go, and no row is rewritten at each call."""
    number = int(token_of(seller.reader).partition("|")[0])

    async def last_used_after(step: timedelta) -> timedelta | None:
        clock.advance(step)
        assert (await seller.reader.get("/customers")).status_code == 200
        async with runtime.operator.transaction() as operator:
            found = await operator.scalar(
                select(access_tokens.c.last_used_at).where(access_tokens.c.id == number)
            )
        return found and found - start

    start = clock.now()
    assert await last_used_after(timedelta(0)) == timedelta(0)
    assert await last_used_after(timedelta(seconds=60)) == timedelta(0)
    assert await last_used_after(timedelta(seconds=1)) == timedelta(seconds=61)


async def test_a_token_used_in_parallel_makes_nobody_wait(seller: Seller) -> None:
    """Who finds the note being written goes on without it."""
    answers = await asyncio.gather(*(seller.reader.get("/customers") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_refused_token_was_not_used(seller: Seller, runtime: Runtime) -> None:
    """Guessing at a token leaves no trace on it."""
    number = int(token_of(seller.reader).partition("|")[0])
    headers = {"Authorization": f"Bearer {number}|{'x' * 40}"}
    assert (await seller.anonymous.get("/customers", headers=headers)).status_code == 401
    async with runtime.operator.transaction() as operator:
        found = await operator.execute(
            select(access_tokens.c.last_used_at).where(access_tokens.c.id == number)
        )
    assert found.scalar_one() is None
