"""`tollkeeper tokens`: access tokens, when one has none to ask the API with."""

import typer
from rich.table import Table

from tollkeeper.cli.program import DataDir, Program, err, out, run_async, settings_with
from tollkeeper.kernel.clock import format_instant
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.pages import MAX_PER_PAGE, Page
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers.authenticate import DEFAULT_PROVIDER
from tollkeeper.providers.issue_access_token import issue_access_token
from tollkeeper.providers.queries import list_access_tokens
from tollkeeper.providers.revoke_access_token import revoke_access_token

SCOPE = typer.Option(Permission.WRITE, help="What the token may do.")
PAGE = typer.Option(1, help="Which page of up to 200.")
PROVIDER = typer.Option(DEFAULT_PROVIDER, "--provider", help="The provider's slug.")


def add_to(cli: typer.Typer, program: Program) -> None:
    group = typer.Typer(help="Access tokens of a provider.", no_args_is_help=True)
    cli.add_typer(group, name="tokens")

    @group.command("list")
    def list_(provider: str = PROVIDER, page: int = PAGE, data_dir: DataDir = None) -> None:
        """Show tokens, newest first, without their secrets."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), provider) as unit:
                found = await list_access_tokens(unit, Page(page, MAX_PER_PAGE))
            table = Table("id", "name", "scope", "status", "created", "last used", box=None)
            for token in found.items:
                used = format_instant(token.last_used_at) if token.last_used_at else "never"
                created = format_instant(token.created_at)
                table.add_row(
                    str(token.id), token.name, token.permission, token.status, created, used
                )
            out().print(table)

        run_async(work())

    @group.command("issue")
    def issue(
        provider: str = PROVIDER,
        scope: Permission = SCOPE,
        name: str = typer.Option("command line", help="What it is for."),
        data_dir: DataDir = None,
    ) -> None:
        """Issue a token and print it, this once."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), provider) as unit:
                _, text = await issue_access_token(unit, name=name, permission=scope)
            err().print(f"Token of {provider} with {scope}; it is shown only this once:")
            out().print(text, markup=False)

        run_async(work())

    @group.command("revoke")
    def revoke(
        token_id: int = typer.Argument(help="The number before the bar."),
        provider: str = PROVIDER,
        data_dir: DataDir = None,
    ) -> None:
        """Refuse a token from now on."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), provider) as unit:
                await revoke_access_token(unit, AccessTokenId(token_id))
            out().print(f"Token {token_id} is revoked.")

        run_async(work())
