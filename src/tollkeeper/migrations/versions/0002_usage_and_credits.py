"""Usage events in segments, rollups, meters; wallets, grants and the ledger; allowances.

Expand first, contract in a later release: the version before this one must keep working on it.
"""

from tollkeeper.infra.tables import APP_ROLE
from tollkeeper.migrations.statements import append_only, protect, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Why the tables that are written per event have no foreign keys: a key check is one more query
# per row. `settle` reaches an event only through a wallet that it holds locked.
METERING = """
    create table usage_segments (
        segment_no        integer constraint pk_usage_segments primary key,
        state             text    not null
            constraint ck_usage_segments_state
            check (state in ('next', 'current', 'closed', 'sealed')),
        opened_at         timestamptz,
        closed_at         timestamptz,
        first_occurred_at timestamptz,
        last_occurred_at  timestamptz,
        events            bigint
    );
    create unique index uq_usage_segments_current on usage_segments (state) where state = 'current';
    create unique index uq_usage_segments_next on usage_segments (state) where state = 'next';

    create table usage_events (
        dedupe_key      uuid        not null,
        provider_id     uuid        not null,
        customer_id     uuid        not null,
        occurred_at     timestamptz not null,
        recorded_at     timestamptz not null,
        transaction_no  bigint      not null,
        segment_no      integer     not null,
        settled_against text        not null
            constraint ck_usage_events_settled_against
            check (settled_against in ('credits', 'plan')),
        amount          numeric     not null
            constraint ck_usage_events_amount check (amount > 0 and amount < 'Infinity'),
        cost            numeric     not null
            constraint ck_usage_events_cost check (cost >= 0 and cost < 'Infinity'),
        balance_after   numeric     not null,
        allowance_after numeric,
        reason          text        not null,
        request_id      text        not null,
        key_id          uuid,
        properties      jsonb
    ) partition by list (segment_no);

    create table usage_ids (
        dedupe_key  uuid    not null,
        segment_no  integer not null,
        run_no      integer not null
    ) partition by list (run_no);

    create table usage_rollups (
        customer_id  uuid        not null,
        hour         timestamptz not null,
        reason       text        not null,
        provider_id  uuid        not null,
        events       bigint      not null,
        amount       numeric     not null,
        cost         numeric     not null,
        constraint pk_usage_rollups primary key (customer_id, hour, reason)
    ) with (fillfactor = 70);
"""

CREDITS = """
    create table credit_wallets (
        wallet_id       uuid    constraint pk_credit_wallets primary key,
        provider_id     uuid    not null,
        customer_id     uuid    not null,
        unit            text    not null,
        available       numeric not null default 0,
        held            numeric not null default 0,
        consumed        numeric not null default 0,
        expired         numeric not null default 0,
        overdraft_limit numeric not null default 0
            constraint ck_credit_wallets_overdraft_limit check (overdraft_limit >= 0),
        refuses         boolean not null default true,
        lot_grant_id    uuid,
        lot_remaining   numeric not null default 0
            constraint ck_credit_wallets_lot_remaining check (lot_remaining >= 0),
        next_change_at  timestamptz not null default 'infinity',
        constraint uq_credit_wallets_customer_id_unit unique (customer_id, unit),
        constraint uq_credit_wallets_provider_id_wallet_id unique (provider_id, wallet_id),
        constraint fk_credit_wallets_provider_id_customer_id
            foreign key (provider_id, customer_id) references customers (provider_id, id)
    ) with (fillfactor = 50);

    create table credit_grants (
        grant_id     uuid        constraint pk_credit_grants primary key,
        provider_id  uuid        not null,
        wallet_id    uuid        not null,
        kind         text        not null
            constraint ck_credit_grants_kind check (kind in ('paid', 'promotional')),
        priority     integer     not null,
        amount       numeric     not null constraint ck_credit_grants_amount check (amount > 0),
        remaining    numeric     not null
            constraint ck_credit_grants_remaining check (remaining >= 0),
        covered_debt numeric     not null default 0,
        effective_at timestamptz not null,
        expires_at   timestamptz not null default 'infinity',
        state        text        not null
            constraint ck_credit_grants_state
            check (state in ('pending', 'active', 'spent', 'expired')),
        note         text,
        created_at   timestamptz not null,
        constraint fk_credit_grants_provider_id_wallet_id
            foreign key (provider_id, wallet_id) references credit_wallets (provider_id, wallet_id)
    );
    create index ix_credit_grants_burn_order on credit_grants
        (wallet_id, priority, expires_at, (kind = 'paid'), created_at, grant_id)
        where state in ('pending', 'active');
    create index ix_credit_grants_wallet_id on credit_grants (wallet_id, grant_id);

    create table credit_entries (
        wallet_id      uuid        not null,
        transaction_no bigint      not null,
        leg_no         smallint    not null,
        segment_no     integer     not null,
        provider_id    uuid        not null,
        kind           text        not null
            constraint ck_credit_entries_kind check (kind in ('usage', 'grant', 'expiry')),
        from_account   text        not null,
        to_account     text        not null,
        grant_id       uuid,
        amount         numeric     not null
            constraint ck_credit_entries_amount check (amount > 0 and amount < 'Infinity'),
        from_after     numeric     not null,
        to_after       numeric     not null,
        effective_at   timestamptz not null,
        recorded_at    timestamptz not null,
        constraint ck_credit_entries_accounts check (
            from_account <> to_account
            and from_account in ('issued', 'available', 'held', 'consumed', 'expired')
            and to_account in ('issued', 'available', 'held', 'consumed', 'expired'))
    ) partition by list (segment_no);

    -- One number per ledger transaction, so per usage event; a batch takes one step of it.
    create sequence credit_transaction_numbers as bigint increment by 20000;

    create view credit_ledger with (security_invoker = true) as
    select wallet_id, transaction_no, leg_no, provider_id, kind, grant_id, effective_at,
           recorded_at, account, change, balance_after - change as balance_before, balance_after
      from credit_entries
     cross join lateral (values (from_account, -amount, from_after), (to_account, amount, to_after))
           as side (account, change, balance_after);

    create table credit_rates (
        provider_id uuid    not null,
        reason      text    not null,
        match       jsonb   not null default '{}',
        unit        text    not null default 'credits',
        rate        numeric not null constraint ck_credit_rates_rate check (rate >= 0),
        varies      boolean not null default false,
        constraint pk_credit_rates primary key (provider_id, reason, match)
    );
"""

GATE = """
    create table plan_allowances (
        customer_id uuid    not null,
        reason      text    not null,
        provider_id uuid    not null,
        included    numeric not null,
        used        numeric not null default 0,
        hard_limit  boolean not null default false,
        constraint pk_plan_allowances primary key (customer_id, reason)
    ) with (fillfactor = 50);

    -- Sequential spending: what a purse has given so far, and whether the last charge passed.
    create type purse as (spent numeric, passed boolean);

    -- One item of a batch with what is needed to judge it; see settle().
    create type batch_item as (
        ordinal         bigint,
        provider_id     uuid,
        customer_id     uuid,
        reason          text,
        amount          numeric,
        request_id      text,
        occurred_at     timestamptz,
        properties      jsonb,
        key_id          uuid,
        dedupe_key      uuid,
        price           numeric,     -- what it costs in credits
        spendable       numeric,     -- what the wallet can give
        wallet_id       uuid,        -- null: no such customer
        wallet_at       tid,
        available       numeric,
        held            numeric,
        consumed        numeric,
        overdraft_limit numeric,
        lot_grant_id    uuid,
        lot_remaining   numeric
    );
"""


def upgrade() -> None:
    for statements in (METERING, CREDITS, GATE):
        run(statements)
    for table in ("usage_events", "credit_entries"):
        run(append_only(table))
        run(protect(table, grants="select"))
    for table in ("usage_rollups", "credit_wallets", "credit_grants"):
        run(protect(table, grants="select"))
    run(protect("credit_rates", grants="select, insert, update, delete"))
    run(protect("plan_allowances", grants="select, insert, update, delete"))
    run(f"grant select on credit_ledger to {APP_ROLE}")


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: history is never unmade")
