"""Providers, access tokens, audit trail, customers, idempotency keys, outbox.

Expand first, contract in a later release: the version before this one must keep working on it.
"""

from tollkeeper.infra.tables import APP_ROLE
from tollkeeper.migrations.statements import append_only, protect, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FUNCTIONS = f"""
    -- The provider whose rows this transaction may see; null when none was named.
    create function current_provider() returns uuid language sql stable parallel safe as
    $$ select nullif(current_setting('tollkeeper.provider_id', true), '')::uuid $$;

    create function refuse_change() returns trigger language plpgsql as
    $$
    begin
        raise exception '% is append-only: a correction is a new row', tg_table_name
            using errcode = 'restrict_violation';
    end
    $$;

    grant execute on function current_provider() to {APP_ROLE};
"""

PROVIDERS = """
    create table providers (
        id         uuid        constraint pk_providers primary key,
        slug       text        not null constraint uq_providers_slug unique,
        name       text        not null,
        created_at timestamptz not null
    );

    create table provider_domains (
        domain      text        constraint pk_provider_domains primary key,
        provider_id uuid        not null
            constraint fk_provider_domains_provider_id references providers (id),
        created_at  timestamptz not null
    );
    create index ix_provider_domains_provider_id on provider_domains (provider_id);

    create table access_tokens (
        id           bigint      generated always as identity
            constraint pk_access_tokens primary key,
        provider_id  uuid        not null
            constraint fk_access_tokens_provider_id references providers (id),
        name         text        not null,
        permission   text        not null,
        secret_hash  bytea       not null,
        created_at   timestamptz not null,
        expires_at   timestamptz,
        revoked_at   timestamptz,
        last_used_at timestamptz
    );
    create index ix_access_tokens_provider_id on access_tokens (provider_id);

    create table audit_entries (
        provider_id  uuid        not null
            constraint fk_audit_entries_provider_id references providers (id),
        id           uuid        not null,
        occurred_at  timestamptz not null,
        actor_kind   text        not null,
        actor_id     text        not null,
        action       text        not null,
        subject_type text        not null,
        subject_id   text        not null,
        request_id   text,
        changes      jsonb       not null,
        constraint pk_audit_entries primary key (provider_id, id)
    );
    create index ix_audit_entries_subject
        on audit_entries (provider_id, subject_type, subject_id, id);
"""

# Before a request's provider is known, nothing is visible to the application; this one look-up
# runs with the owner's rights and answers one row at most.
IDENTIFY = f"""
    create function identify(wanted_slug text, wanted_domain text, token_id bigint)
    returns table (
        provider_id uuid, provider_slug text, provider_name text, provider_created_at timestamptz,
        id bigint, name text, permission text, secret_hash bytea, created_at timestamptz,
        expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz
    )
    language sql stable security definer set search_path = tollkeeper, pg_temp as
    $$
        select p.id, p.slug, p.name, p.created_at, t.id, t.name, t.permission, t.secret_hash,
               t.created_at, t.expires_at, t.revoked_at, t.last_used_at
          from providers p
          left join access_tokens t on t.provider_id = p.id and t.id = token_id
         where p.id = coalesce(
                   (select d.provider_id from provider_domains d where d.domain = wanted_domain),
                   (select s.id from providers s where s.slug = wanted_slug))
    $$;
    revoke execute on function identify(text, text, bigint) from public;
    grant execute on function identify(text, text, bigint) to {APP_ROLE};
"""

CUSTOMERS = """
    create table customers (
        provider_id uuid        not null
            constraint fk_customers_provider_id references providers (id),
        id          uuid        not null,
        external_id text,
        name        text        not null,
        email       text        not null,
        currency    text,
        timezone    text        not null,
        country     text,
        address     jsonb,
        tax_id      text,
        metadata    jsonb       not null,
        created_at  timestamptz not null,
        updated_at  timestamptz not null,
        search      tsvector    generated always as (
            to_tsvector('simple'::regconfig, regexp_replace(name || ' ' || email || ' ' ||
            coalesce(external_id, ''), '[^[:alnum:]]+', ' ', 'g'))) stored,
        constraint pk_customers primary key (provider_id, id),
        constraint uq_customers_provider_id_external_id unique (provider_id, external_id)
    );
    create index ix_customers_search on customers using gin (search);
    create index ix_customers_email on customers (provider_id, email);
"""

MACHINE_ROOM = """
    create table idempotency_keys (
        provider_id uuid        not null,
        key_hash    bytea       not null,
        fingerprint bytea       not null,
        status      smallint    not null,
        answer      bytea       not null,
        created_at  timestamptz not null,
        constraint pk_idempotency_keys primary key (provider_id, key_hash)
    );
    comment on table idempotency_keys is
        'The first answer to each Idempotency-Key, sealed, so that a retry gets it again.';
    create index ix_idempotency_keys_created_at on idempotency_keys (created_at);

    create table facts (
        provider_id uuid        not null,
        id          uuid        not null,
        position    bigint      generated always as identity
            constraint uq_facts_position unique,
        name        text        not null,
        subject_id  uuid,
        payload     jsonb       not null,
        occurred_at timestamptz not null,
        constraint pk_facts primary key (provider_id, id)
    );
    comment on table facts is
        'The outbox: what became true, written by the transaction that made it true.';
"""


def upgrade() -> None:
    for statements in (FUNCTIONS, PROVIDERS, IDENTIFY, CUSTOMERS, MACHINE_ROOM):
        run(statements)
    run(protect("providers", column="id", grants="select"))
    run(protect("provider_domains", grants="select"))
    run(protect("access_tokens", grants="select, insert, update"))
    run(protect("audit_entries", grants="select, insert"))
    run(append_only("audit_entries"))
    run(protect("customers", grants="select, insert, update, delete"))
    run(protect("idempotency_keys", grants="select, insert"))
    run(protect("facts", grants="select, insert, update (payload)"))
    run(f"grant usage on all sequences in schema tollkeeper to {APP_ROLE}")


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: history is never unmade")
