import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers.model import (
    AccessToken,
    Credential,
    hash_secret,
    new_secret,
    parse_credential,
    parse_domain,
    parse_slug,
    secret_matches,
)

NOW = datetime(2026, 6, 6, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("slug", ["a", "7", "acme", "a-b", "a--b", "x" * 63])
def test_a_slug_is_a_label_of_the_domain_name_system(slug: str) -> None:
    """It becomes a sub-domain."""
    assert parse_slug(slug) == slug


@pytest.mark.parametrize(
    "slug", ["", "-a", "a-", "A", "a.b", "a_b", "ä", "a\n", "x" * 64, "a" + "-" * 100_000]
)
def test_what_is_no_label_is_no_slug(slug: str) -> None:
    """The message says what one may be made of."""
    with pytest.raises(InvalidValue, match="1 to 63 of a-z"):
        parse_slug(slug)


@pytest.mark.parametrize(
    ("given", "domain"),
    [("Billing.Example.COM", "billing.example.com"), ("a.co.", "a.co"), ("x-1.y.dev", "x-1.y.dev")],
)
def test_a_domain_is_kept_in_lower_case_without_its_last_dot(given: str, domain: str) -> None:
    """One name has one spelling, so the host of a request can be compared with it."""
    assert parse_domain(given) == domain


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "localhost",
        "a.b:80",
        "a..b",
        "-a.b",
        "127.0.0.1",
        "[::1]",
        "a/b.c",
        "*.a.b",
        "a.b\n",
        "a." * 127 + "com",
        "a." * 50_000,
    ],
)
def test_what_is_no_host_name_is_no_domain(domain: str) -> None:
    """Neither addresses nor ports nor wildcards lead to a provider."""
    with pytest.raises(InvalidValue, match="without a port"):
        parse_domain(domain)


def test_a_secret_is_long_random_and_safe_to_paste() -> None:
    """240 bits, in characters that need no quoting in a header, an address or a shell."""
    secrets = {new_secret() for _ in range(1_000)}
    assert len(secrets) == 1_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{40}", secret) for secret in secrets)


@given(st.text(), st.text())
def test_a_secret_matches_its_own_hash_only(secret: str, other: str) -> None:
    """The hash is all that is stored, and no other text passes for the secret."""
    expected = hash_secret(secret)
    assert secret.encode() not in expected or len(secret) < 3
    assert secret_matches(secret, expected)
    assert secret_matches(other, expected) is (other == secret)


@given(st.integers(0, 10**18 - 1), st.text(st.characters(max_codepoint=127), min_size=1))
def test_a_token_is_split_at_its_first_bar(number: int, secret: str) -> None:
    """`<id>|<secret>`, whatever the secret is made of."""
    expected = Credential(AccessTokenId(number), secret) if len(secret) <= 128 else None
    assert parse_credential(f"{number}|{secret}") == expected


@pytest.mark.parametrize(
    "token",
    [
        "",
        "|",
        "42",
        "42|",
        "|secret",
        "-1|secret",
        "+1|secret",
        " 42|secret",
        "4 2|secret",
        "x|secret",
        "4_2|secret",
        "0x2|secret",
        "1e3|secret",
        "42.0|secret",
        "٤٢|secret",
        "\uff14\uff12|secret",
        "²|secret",
        "42|sécret",
        "42|" + "x" * 129,
        "9" * 19 + "|secret",
        "9" * 100_000 + "|secret",
        "|" * 100_000,
        "42\x00|secret",
    ],
)
def test_anything_else_is_no_token(token: str) -> None:
    """No digits but ASCII's, no sign, no number that the database could not hold."""
    assert parse_credential(token) is None


@given(st.text())
def test_no_text_whatever_breaks_the_reading_of_tokens(token: str) -> None:
    """What a stranger sends first is read here."""
    found = parse_credential(token)
    assert found is None or 0 <= found.token_id < 2**63


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "status"),
    [
        (None, None, "active"),
        (NOW + SECOND, None, "active"),
        (NOW, None, "expired"),
        (NOW - SECOND, None, "expired"),
        (None, NOW, "revoked"),
        (NOW - SECOND, NOW, "revoked"),
    ],
)
def test_a_token_says_whether_it_is_still_good(
    expires_at: datetime | None, revoked_at: datetime | None, status: str
) -> None:
    """Its lifetime is half-open: at the instant of its expiry it has expired."""
    token = AccessToken(
        AccessTokenId(1), "t", Permission.READ, NOW - 2 * SECOND, expires_at, revoked_at
    )
    assert token.status_at(NOW) == status
