from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.conftest import Seller, operate

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers.issue_access_token import issue_access_token
from tollkeeper.providers.model import hash_secret
from tollkeeper.providers.tables import access_tokens


async def test_only_the_hash_of_a_secret_is_stored(seller: Seller, runtime: Runtime) -> None:
    """Whoever reads the database cannot call with what they find."""
    async with operate(runtime, seller.scope) as work:
        token, text = await issue_access_token(work, name="t", permission=Permission.READ)
        row = (
            (await work.db.execute(select(access_tokens).where(access_tokens.c.id == token.id)))
            .mappings()
            .one()
        )
    number, _, secret = text.partition("|")
    assert number == str(token.id)
    assert row["secret_hash"] == hash_secret(secret)
    assert secret not in str(dict(row))


@pytest.mark.parametrize("seconds", [0, -1])
async def test_no_token_is_born_expired(seller: Seller, runtime: Runtime, seconds: int) -> None:
    """A time that has passed is a mistake, found now and not at the first call."""
    expires_at = runtime.clock.now() + timedelta(seconds=seconds)
    with pytest.raises(CodedError, match="expires_at must be in the future"):
        async with operate(runtime, seller.scope) as work:
            await issue_access_token(
                work, name="t", permission=Permission.READ, expires_at=expires_at
            )


async def test_numbers_of_tokens_are_never_used_again(seller: Seller, runtime: Runtime) -> None:
    """An old token cannot come to name a new one, even if its issue was rolled back."""
    numbers = []
    for keep in (True, False, True):
        async with operate(runtime, seller.scope) as work:
            token, _ = await issue_access_token(work, name="t", permission=Permission.READ)
            numbers.append(token.id)
            if not keep:
                await work.db.rollback()
    assert numbers == sorted(set(numbers))
