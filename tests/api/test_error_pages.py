import html
import re

import pytest
from tests.conftest import Seller

from tollkeeper.api.error_pages import catalogue, explain


def address(seller: Seller, path: str) -> str:
    return str(seller.anonymous.base_url.join(path))


@pytest.mark.parametrize("code", [*catalogue(), "customers.email_required"])
async def test_every_code_has_a_page_that_says_what_to_do(seller: Seller, code: str) -> None:
    """Anybody may read it: whoever meets an error has no token perhaps."""
    response = await seller.anonymous.get(address(seller, f"/api/errors/{code}"))
    assert response.status_code == 200
    found = explain(code)
    assert found is not None
    words = html.unescape(re.sub("<[^>]+>", "", response.text.partition("<body>")[2]))
    for expected in (code, f"HTTP {found.status}", found.summary, found.remedy):
        assert expected.replace("`", "") in words


async def test_the_index_leads_to_every_page(seller: Seller) -> None:
    """One page from which all others are found."""
    response = await seller.anonymous.get(address(seller, "/api/errors"))
    assert response.status_code == 200
    for code in catalogue():
        assert f'href="/api/errors/{code}"' in response.text


@pytest.mark.parametrize(
    "code", ["nobody.knows", "x", "..", "%3Cscript%3E", "a.b_invalid%0A", "A.b_invalid", "%00"]
)
async def test_a_code_that_is_not_there_has_no_page(seller: Seller, code: str) -> None:
    """And no page on which something of it could run."""
    response = await seller.anonymous.get(address(seller, f"/api/errors/{code}"))
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
