import pytest
from tests.conftest import NewSeller, Seller, operate

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.errors import CodedError, InvalidValue
from tollkeeper.kernel.ids import ProviderId, new_uuid7
from tollkeeper.kernel.scope import Scope
from tollkeeper.providers.create_provider import add_domain, create_provider
from tollkeeper.providers.registry import list_providers


async def test_a_slug_belongs_to_one_provider(seller: Seller, runtime: Runtime) -> None:
    """Two providers never share an address; the second one is not made."""
    scope = Scope(ProviderId(new_uuid7()))
    with pytest.raises(CodedError, match=r"providers\.slug_taken") as refused:
        async with operate(runtime, scope) as work:
            await create_provider(work, slug=seller.slug, name="Somebody Else")
    assert refused.value.kind.status == 409
    async with runtime.operator.transaction() as operator:
        assert scope.provider_id not in {one.id for one in await list_providers(operator)}


async def test_a_slug_that_is_no_sub_domain_is_refused(runtime: Runtime) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidValue, match="a-z"):
        async with operate(runtime, Scope(ProviderId(new_uuid7()))) as work:
            await create_provider(work, slug="Not A Slug", name="x")


async def test_a_domain_leads_to_one_provider(new_seller: NewSeller, runtime: Runtime) -> None:
    """In whatever case it is written, the first one keeps it."""
    a, b = await new_seller(), await new_seller()
    domain = f"{a.slug}.example"
    async with operate(runtime, a.scope) as work:
        assert await add_domain(work, domain.upper(), ("localhost",)) == domain
    for scope in (b.scope, a.scope):
        with pytest.raises(CodedError, match=r"providers\.domain_taken"):
            async with operate(runtime, scope) as work:
                await add_domain(work, f"{domain}.", ("localhost",))


@pytest.mark.parametrize(
    "domain", ["api.example.com", "acme.api.example.com", "A.B.API.Example.com."]
)
async def test_nobody_is_given_the_address_of_a_slug(
    seller: Seller, runtime: Runtime, domain: str
) -> None:
    """Names at and below a base domain are the slugs'; others that end alike are not."""
    bases = ("localhost", "api.example.com")
    with pytest.raises(CodedError, match=r"providers\.domain_taken"):
        async with operate(runtime, seller.scope) as work:
            await add_domain(work, domain, bases)
    async with operate(runtime, seller.scope) as work:
        other = f"{seller.slug}{len(domain)}-api.example.com"
        assert await add_domain(work, other, bases) == other


async def test_the_operators_work_is_in_the_audit_trail(seller: Seller, runtime: Runtime) -> None:
    """A provider can read who gave it its address."""
    async with operate(runtime, seller.scope) as work:
        await add_domain(work, f"{seller.slug}.example", ("localhost",))
    response = await seller.admin.get("/audit", params={"subject_type": "provider"})
    entries = response.json()["data"]
    assert [(entry["action"], entry["actor"]) for entry in entries] == [
        ("provider.domain_added", {"kind": "operator", "id": "tests"}),
        ("provider.created", {"kind": "operator", "id": "tests"}),
    ]
    assert entries[0]["changes"] == {"domain": f"{seller.slug}.example"}
    assert entries[1]["changes"] == {"slug": seller.slug, "name": seller.slug.title()}
