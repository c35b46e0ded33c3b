"""`tollkeeper providers`: who sells on this installation."""

import typer
from rich.table import Table

from tollkeeper.cli.program import DataDir, Program, out, run_async, settings_with
from tollkeeper.kernel.clock import format_instant
from tollkeeper.providers.create_provider import add_domain, create_provider
from tollkeeper.providers.registry import list_providers

SLUG = typer.Argument(help="The provider's name in addresses, such as `acme`.")


def add_to(cli: typer.Typer, program: Program) -> None:
    group = typer.Typer(help="Providers: the companies that sell.", no_args_is_help=True)
    cli.add_typer(group, name="providers")

    @group.command("list")
    def list_(data_dir: DataDir = None) -> None:
        """Show all providers and their domains."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir)) as unit:
                table = Table("slug", "name", "domains", "id", "created", box=None)
                for one in await list_providers(unit.db):
                    domains = ", ".join(one.domains)
                    created = format_instant(one.created_at)
                    table.add_row(one.slug, one.name, domains, str(one.id), created)
                out().print(table)

        run_async(work())

    @group.command("create")
    def create(
        slug: str = SLUG,
        name: str = typer.Option("", help="The company's name; the slug if left out."),
        data_dir: DataDir = None,
    ) -> None:
        """Add a provider. It answers at `<slug>.<base domain>`."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir)) as unit:
                made = await create_provider(unit, slug=slug, name=name or slug)
            out().print(f"Created provider {made.slug} ({made.id}).")
            out().print(f"Next: tollkeeper tokens issue --provider {made.slug} --name NAME")

        run_async(work())

    @group.command("add-domain")
    def domain(
        slug: str = SLUG,
        domain: str = typer.Argument(help="A host name of its own, such as billing.example.com."),
        data_dir: DataDir = None,
    ) -> None:
        """Let a provider answer at a domain of its own."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), slug) as unit:
                added = await add_domain(unit, domain)
            out().print(f"{slug} now answers at {added}.")

        run_async(work())
