"""Create a provider, or give it a domain of its own (the operator's work)."""

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import ProviderId
from tollkeeper.providers import audit, store
from tollkeeper.providers.errors import DOMAIN_TAKEN, PROVIDER_EXISTS
from tollkeeper.providers.model import Provider, parse_domain, parse_slug


async def create_provider(work: UnitOfWork, *, slug: str, name: str) -> Provider:
    """Create the provider whose id is the scope's. Raises providers.slug_taken."""
    provider = Provider(ProviderId(work.scope.provider_id), parse_slug(slug), name, work.now)
    try:
        await store.insert_provider(work.scope, work.db, provider)
    except IntegrityError as error:
        raise PROVIDER_EXISTS.error(f"there already is a provider {slug!r}") from error
    await audit.record(
        work,
        "provider.created",
        subject_type="provider",
        subject_id=provider.id,
        changes={"slug": slug, "name": name},
    )
    return provider


async def add_domain(work: UnitOfWork, domain: str, base_domains: Sequence[str]) -> str:
    """Let the provider be found at a host name of its own.

    Raises providers.domain_taken, also for a name at or below a base domain: those belong to the
    providers whose slugs they hold.
    """
    domain = parse_domain(domain)
    if any(domain == base or domain.endswith(f".{base}") for base in base_domains):
        raise DOMAIN_TAKEN.error(f"{domain!r} lies under a base domain; those names are by slug")
    try:
        await store.insert_domain(work.scope, work.db, domain, work.now)
    except IntegrityError as error:
        raise DOMAIN_TAKEN.error(f"the domain {domain!r} already belongs to a provider") from error
    await audit.record(
        work,
        "provider.domain_added",
        subject_type="provider",
        subject_id=work.scope.provider_id,
        changes={"domain": domain},
    )
    return domain


async def remove_domain(work: UnitOfWork, domain: str) -> bool:
    """Let the provider no longer be found there; answers whether it was."""
    domain = parse_domain(domain)
    removed = await store.delete_domain(work.scope, work.db, domain)
    if removed:
        await audit.record(
            work,
            "provider.domain_removed",
            subject_type="provider",
            subject_id=work.scope.provider_id,
            changes={"domain": domain},
        )
    return removed
