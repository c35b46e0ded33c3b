"""`tollkeeper tokens`: access tokens, when one has none to ask the API with."""

from datetime import datetime

import typer

from tollkeeper.cli.program import (
    DataDir,
    Program,
    err,
    out,
    print_table,
    run_async,
    settings_with,
)
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
_LARGEST_ID = 2**63 - 1  # of a bigint


def add_to(cli: typer.Typer, program: Program) -> None:
    group = typer.Typer(help="Access tokens of a provider.", no_args_is_help=True)
    cli.add_typer(group, name="tokens")

    @group.command("list")
    def list_(provider: str = PROVIDER, page: int = PAGE, data_dir: DataDir = None) -> None:
        """Show tokens, newest first, without their secrets."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), provider) as unit:
                found = await list_access_tokens(unit, Page(page, MAX_PER_PAGE))
            rows = []
            for token in found.items:
                what = (str(token.id), token.name, token.permission, token.status_at(unit.now))
                instants = (token.created_at, token.expires_at, token.last_used_at)
                rows.append((*what, *map(_shown, instants)))
            headers = ("id", "name", "scope", "status", "created", "expires", "last used")
            print_table(headers, rows)

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
        token_id: int = typer.Argument(help="The number before the bar.", min=1, max=_LARGEST_ID),
        provider: str = PROVIDER,
        data_dir: DataDir = None,
    ) -> None:
        """Refuse a token from now on."""

        async def work() -> None:
            async with program.operate(settings_with(data_dir=data_dir), provider) as unit:
                await revoke_access_token(unit, AccessTokenId(token_id))
            out().print(f"Token {token_id} is revoked.")

        run_async(work())


def _shown(instant: datetime | None) -> str:
    return format_instant(instant) if instant else "never"
