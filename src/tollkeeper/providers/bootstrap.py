"""The first start: a provider `default` and a token to begin with."""

from collections.abc import Callable

from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers.authenticate import DEFAULT_PROVIDER
from tollkeeper.providers.create_provider import create_provider
from tollkeeper.providers.issue_access_token import issue_access_token
from tollkeeper.providers.registry import list_providers, lock_registry


async def bootstrap(work: UnitOfWork, keep: Callable[[str], None]) -> str | None:
    """Create `default` with an api:admin token where there is no provider yet; answers the token.

    keep: stores the token; called before the commit, so that no token is ever lost.
    """
    # Two servers that start for the first time at once: the second waits, and finds a provider.
    await lock_registry(work.db)
    if await list_providers(work.db):
        return None
    await create_provider(work, slug=DEFAULT_PROVIDER, name="Default")
    _, token = await issue_access_token(
        work, name="first administrator", permission=Permission.ADMIN
    )
    keep(token)
    return token
