"""Every setting of the program, in one place.

Read from the environment (prefix `TOLLKEEPER_`) and from a `.env` file in the working directory;
command-line options win over both. `.env.example` and `docs/guide/settings.md` are generated from
this class (`make docs`), so the description of a field is its documentation.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "TOLLKEEPER_"


class Settings(BaseSettings):
    """What an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Field(
        Path("tollkeeper-data"),
        description="Where the embedded database, its log and the first admin token live.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL (15 or newer) of your own, such as "
        "`postgresql://user:password@host/database`. Unset: the embedded one in the data "
        "directory.",
    )
    host: str = Field("127.0.0.1", description="The address that the server listens on.")
    port: int = Field(8080, ge=1, le=65535, description="The port that the server listens on.")
    workers: int = Field(1, ge=1, le=256, description="How many server processes answer requests.")
    public_scheme: Literal["http", "https"] = Field(
        "http",
        description="What callers reach the server by: `https` behind a proxy that ends TLS.",
    )
    base_domains: Annotated[tuple[str, ...], NoDecode] = Field(
        ("localhost",),
        description="Host names under which each provider has a sub-domain, comma-separated: with "
        "`api.example.com`, the provider `acme` answers at `acme.api.example.com`, and the name "
        "itself is the provider `default`.",
    )
    database_pool_size: int = Field(
        10, ge=1, le=200, description="Connections to PostgreSQL that each process keeps at most."
    )
    max_body_bytes: int = Field(
        1_048_576, ge=1024, description="The largest request body that is read, in bytes."
    )
    body_seconds: int = Field(
        30, ge=1, description="How long a request's body may take to arrive, in seconds."
    )
    max_bulk_body_bytes: int = Field(
        33_554_432, ge=1024, description="The same for `POST /usage/events`, which takes many."
    )
    usage_segment_megabytes: int = Field(
        256, ge=1, description="How large a segment of the event log grows before the next begins."
    )
    usage_future_seconds: int = Field(
        300, ge=0, description="How far in the future the timestamp of a usage event may lie."
    )
    idempotency_retention_hours: int = Field(
        48, ge=24, description="How long the answer to an `Idempotency-Key` is kept, in hours."
    )
    worker_late_seconds: int = Field(
        30,
        ge=15,
        description="`/readyz` fails when no job worker has given a sign of life, or a due job has "
        "waited, for longer than this.",
    )
    shutdown_seconds: int = Field(
        30, ge=1, description="How long requests in flight may take to finish at shutdown."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe kind of log line that is written."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto` is `console` on a terminal and `json` elsewhere."
    )

    @field_validator("base_domains", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return value
