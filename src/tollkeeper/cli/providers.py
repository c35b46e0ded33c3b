"""`tollkeeper providers`: who sells on this installation."""

import typer

from tollkeeper.cli.program import DataDir, Program, out, print_table, run_async, settings_with
from tollkeeper.kernel.clock import format_instant
from tollkeeper.providers.create_provider import add_domain, create_provider, remove_domain
from tollkeeper.providers.registry import list_providers

DOMAIN = typer.Argument(help="A host name of its own, such as billing.example.com.")
SLUG = typer.Argument(help="The provider's name in addresses, such as `acme`.")


def add_to(cli: typer.Typer, program: Program) -> None:
    group = typer.Typer(help="Providers: the companies that sell.", no_args_is_help=True)
    cli.add_typer(group, name="providers")

    @group.command("list")
    def list_(data_dir: DataDir = None) -> None:
        """Show all providers and their domains."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir)) as unit:
                found = await list_providers(unit.db)
            rows = []
            for one in found:
                domains, created = ", ".join(one.domains), format_instant(one.created_at)
                rows.append((one.slug, one.name, domains, str(one.id), created))
            print_table(("slug", "name", "domains", "id", "created"), rows)

        run_async(work())

    @group.command("create")
    def create(
        slug: str = SLUG,
        name: str = typer.Option("", help="The company's name; the slug if left out."),
        data_dir: DataDir = None,
    ) -> None:
        """Add a provider. It answers at `<slug>.<base domain>`."""

        async def work() -> None:
            settings = settings_with(data_dir=data_dir)
            async with program.operate(settings) as unit:
                made = await create_provider(unit, slug=slug, name=name or slug)
            out().print(f"Created provider {made.slug} ({made.id}).")
            address = f"http://{made.slug}.{settings.base_domains[0]}:{settings.port}"
            out().print(f"It answers at {address}, with tokens of its own.")
            out().print(f"Next: tollkeeper tokens issue --provider {made.slug} --name NAME")

        run_async(work())

    @group.command("add-domain")
    def add(slug: str = SLUG, domain: str = DOMAIN, data_dir: DataDir = None) -> None:
        """Let a provider answer at a domain of its own."""

        async def work() -> None:
            settings = settings_with(data_dir=data_dir)
            async with program.operate(settings, slug) as unit:
                added = await add_domain(unit, domain, settings.base_domains)
            out().print(f"{slug} now answers at {added}.", markup=False)

        run_async(work())

    @group.command("remove-domain")
    def remove(slug: str = SLUG, domain: str = DOMAIN, data_dir: DataDir = None) -> None:
        """Let a provider no longer answer there."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), slug) as unit:
                removed = await remove_domain(unit, domain)
            words = "no longer answers" if removed else "did not answer"
            out().print(f"{slug} {words} at {domain}.", markup=False)

        run_async(work())
