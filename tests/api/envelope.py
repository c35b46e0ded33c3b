"""The contract's envelope, as tests expect it."""

from typing import Any

import httpx


def data_of(response: httpx.Response, status: int = 200) -> Any:
    """What a success says."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"data", "meta"}
    return body["data"]


def refusal_of(response: httpx.Response, status: int, code: str) -> str:
    """What an error says, in words."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"code", "message", "details", "docs"}
    assert error["code"] == code, error
    assert error["docs"].endswith(f"/api/errors/{code}")
    return str(error["message"])
