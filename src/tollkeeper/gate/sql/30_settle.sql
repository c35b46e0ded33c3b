-- Settle usage, a batch at a time.

-- Sequential spending as a running aggregate: a charge that no longer fits is passed over, a later
-- and smaller one may still pass.
create or replace function purse_step(so_far purse, charge numeric, spendable numeric) returns purse
language sql immutable parallel safe
return case when charge = 0 or so_far.spent + charge <= spendable
            then row(so_far.spent + charge, true)::purse
            else row(so_far.spent, false)::purse end;

create or replace aggregate spend(charge numeric, spendable numeric) (
    sfunc = purse_step, stype = purse, initcond = '(0,)'
);

-- The rate of a reason whose price depends on properties: the rule that asks for the most wins.
create or replace function credit_rate_for(of_provider uuid, of_reason text, having_properties jsonb)
returns numeric language sql stable as $$
    select rate from credit_rates
     where provider_id = of_provider and reason = of_reason
       and coalesce(having_properties, '{}') @> match
     order by (select count(*) from jsonb_object_keys(match)) desc, match
     limit 1
$$;

-- Per item of a batch: what is known of its id. Called only when some id is known or repeated.
create or replace function settle_judge_repeats(
    items batch_item[],
    out verdicts text[], out leaders bigint[], out other_content boolean[],
    out old_costs numeric[], out old_balances numeric[], out old_allowances numeric[])
language sql stable as $$
    with item as (
        select *, first_value(ordinal) over same_id as leader
          from unnest(items) as item
        window same_id as (partition by dedupe_key order by ordinal)
    ), known as (
        select event.* from usage_segments segment join usage_events event using (segment_no)
         where segment.state in ('current', 'closed')
           and event.dedupe_key = any (array(select dedupe_key from item))
        union all
        select event.* from usage_ids seen join usage_events event using (segment_no, dedupe_key)
         where seen.dedupe_key = any (array(select dedupe_key from item))
    ), judged as (
        select item.ordinal, item.leader,
               -- The time is left out on purpose: a retry that stamps anew is a retry.
               (item.customer_id, item.reason, item.amount)
                   is distinct from (foremost.customer_id, foremost.reason, foremost.amount)
                   or item.properties is distinct from foremost.properties as other_content,
               case when known.dedupe_key is null then null
                    when (item.customer_id, item.reason, item.amount)
                             = (known.customer_id, known.reason, known.amount)
                         and item.properties is not distinct from known.properties then 'duplicate'
                    else 'conflict' end as verdict,
               known.cost, known.balance_after, known.allowance_after
          from item
          join item as foremost on foremost.ordinal = item.leader
          left join known on known.dedupe_key = item.dedupe_key
    )
    select array_agg(case when verdict is null and leader <> ordinal then 'follows' else verdict end
                     order by ordinal),
           array_agg(leader order by ordinal), array_agg(other_content order by ordinal),
           array_agg(cost order by ordinal), array_agg(balance_after order by ordinal),
           array_agg(allowance_after order by ordinal)
      from judged
$$;

-- Settle one batch of usage: deduplicate, decide, append, debit, roll up; one answer per item, in
-- order. Within a customer the items take effect one after the other, as if each came alone.
--
-- batch: [{"p": provider_id, "c": customer_id | "e": external_id, "r": reason, "a": amount,
--          "i": request_id, "t": occurred_at, "x": properties?, "k": key_id?}, ...]
-- JSON, because it costs 0.5 us an item to write and 3 us to read; arrays cost 3 to 10 us to send.
--
-- refuse: true for usage that asks (what does not fit is refused), false for usage that has already
-- happened (recorded even below zero).
--
-- Outcomes: recorded, duplicate, conflict, insufficient, limit_reached, not_found, and 'again': the
-- same id twice in the batch with other content, where the first was refused; submit it once more.
-- The figures of a duplicate are those of the first time. With a refusal, costs hold what was
-- required and balances what is there.
--
-- Locks, always in this order: usage_segments (shared), the customers' wallets by (customer_id,
-- unit), index entries by dedupe_key. Rollups and allowances belong to one customer and are covered
-- by its wallets' locks. An id in flight for two customers at once ends in a unique violation: the
-- batch is rolled back, the lane submits it again, and the loser is a conflict.
--
-- Single values (finite, > 0, digits, known fields) are the caller's to validate; the check
-- constraints are the last wall and would refuse the whole batch.
--
-- SECURITY DEFINER, because a batch mixes providers and row-level security knows one at a time:
-- every join therefore carries the provider.
create or replace function settle(
    batch json, at timestamptz, refuse boolean,
    out outcomes text[], out customers uuid[], out costs text[], out balances text[],
    out allowances text[], out warnings boolean[])
language plpgsql security definer
set search_path = tollkeeper, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
    in_segment   integer;
    closed       integer[];     -- segments that are closed but not sealed yet
    first_no     bigint;        -- item n of this batch is ledger transaction first_no + n
    items        batch_item[];
    keys         uuid[];        -- dedupe keys, in the order of the items
    repeated     boolean;       -- an id of this batch is known already, or twice in it
    due          uuid[];        -- wallets in which time has changed something
    missing      jsonb;         -- customers without a wallet of the unit that is asked for
    opened       boolean := false;
    repeats      record;        -- what is known of each item, see settle_judge_repeats
    debit        record;
    crossing     jsonb;         -- debits of wallets whose open lot is not enough
    decided      integer := 0;
    leader       integer;
    new_outcomes text[]; new_costs numeric[]; new_balances numeric[]; new_allowances numeric[];
    new_warnings boolean[]; all_customers uuid[];
begin
    -- 1. Hold the current segment; lock the customers, price the items.
    lock table usage_segments in row share mode;
    select min(segment_no) filter (where state = 'current'),
           array_agg(segment_no) filter (where state = 'closed')
      into in_segment, closed
      from usage_segments where state in ('current', 'closed');

    loop
        with item as materialized (
            select p, coalesce(c, named.id) as c, r, a, i, t, x, k, ordinal,
                   usage_dedupe_key(p, i) as dedupe_key
              from rows from (json_to_recordset(batch) as (p uuid, c uuid, e text, r text,
                              a numeric, i text, t timestamptz, x jsonb, k uuid))
                   with ordinality as item (p, c, e, r, a, i, t, x, k, ordinal)
              left join customers named on named.provider_id = p and named.external_id = e
        ), locked as materialized (
            -- All wallets of a customer, so that they stand for the customer; in one fixed order.
            -- Locking reads the newest version of these rows; whatever else a concurrent batch may
            -- have changed is read in a later statement, for this one's snapshot is older.
            select ctid, * from credit_wallets
             where customer_id = any (array(select c from item))
             order by customer_id, unit
               for no key update
        )
        select array_agg(row(
                   ordinal, p, c, r, a, i, t, x, k, dedupe_key,
                   a * coalesce(case when base.varies then credit_rate_for(p, r, x)
                                     else base.rate end, 1),
                   case when refuse and wallet.refuses
                        then wallet.available + wallet.overdraft_limit else 'Infinity' end,
                   wallet.wallet_id, wallet.ctid, wallet.available, wallet.held, wallet.consumed,
                   wallet.overdraft_limit, wallet.lot_grant_id, wallet.lot_remaining)::batch_item
                   order by ordinal),
               array_agg(dedupe_key), count(distinct dedupe_key) < count(*),
               array_agg(distinct wallet.wallet_id) filter (where wallet.next_change_at <= at),
               array_agg(case when wallet.wallet_id is not null then c end order by ordinal),
               jsonb_agg(distinct jsonb_build_object('p', p, 'c', c,
                                                     'u', coalesce(base.unit, 'credits')))
                   filter (where wallet.wallet_id is null and c is not null)
          into items, keys, repeated, due, all_customers, missing
          from item
          left join credit_rates base
                 on base.provider_id = p and base.reason = r and base.match = '{}'
          left join locked wallet
                 on wallet.customer_id = c and wallet.unit = coalesce(base.unit, 'credits')
                and wallet.provider_id = p;

        if missing is not null and not opened then
            -- A customer's first use of a unit: make the wallet, then read again.
            perform credit_wallet_for(p, c, u)
               from jsonb_to_recordset(missing) as wanted (p uuid, c uuid, u text)
              order by c, u;
            opened := true;
            continue;
        end if;
        exit when due is null;
        -- A grant began or ended: post that first, then read again.
        perform credit_advance(wallet_id, in_segment, at) from unnest(due) as wallet_id;
    end loop;

    -- After the locks, so that a wallet's transaction numbers rise with its entries. The sequence
    -- steps by more than the largest batch.
    first_no := nextval('credit_transaction_numbers');

    -- 2. Which ids are known? (New statements, so they see what the locks waited for.)
    repeated := repeated
        or exists (select from usage_events where segment_no = in_segment and dedupe_key = any (keys))
        or exists (select from usage_ids where dedupe_key = any (keys))
        or closed is not null
           and exists (select from usage_events
                        where segment_no = any (closed) and dedupe_key = any (keys));
    if repeated then
        repeats := settle_judge_repeats(items);
        items := array(select item::batch_item from unnest(items) as item
                        where repeats.verdicts[(item).ordinal] is null order by ordinal);
    end if;

    -- 3. Decide and write.
    with priced as (
        -- The purse of an item: its plan's allowance of the reason, if there is one, else the wallet.
        -- What it asks of it: units of the allowance, or credits.
        select item.*, plan.reason as plan_reason, plan.included - plan.used as allowance,
               case when plan.reason is null then item.price else item.amount end as charge,
               case when plan.reason is null then item.spendable
                    when refuse and plan.hard_limit then plan.included - plan.used
                    else 'Infinity' end as purse_holds
          from unnest(items) as item
          left join plan_allowances plan
                 on plan.customer_id = item.customer_id and plan.reason = item.reason
                and plan.provider_id = item.provider_id
    ), summed as (
        select priced.*, sum(charge) over of_purse as wanted,
               sum(charge) over (of_purse order by ordinal rows unbounded preceding) as running
          from priced
        window of_purse as (partition by wallet_id, plan_reason)
    ), walked as (
        -- Most purses hold all that is asked of them. The others are walked through item by item.
        select *, spend(charge, purse_holds) filter (where wanted > purse_holds)
                      over (partition by wallet_id, plan_reason
                                order by ordinal rows unbounded preceding) as walk
          from summed
    ), spent as (
        select *, case when wanted <= purse_holds then running else (walk).spent end as used,
               wanted <= purse_holds or (walk).passed as passed
          from walked
    ), judged as (
        select *, first_no + ordinal as transaction_no,
               case when plan_reason is null then charge else 0 end as cost,
               case when plan_reason is null then used else 0 end as burnt,
               case when plan_reason is not null then allowance - used end as allowance_after,
               case when wallet_id is null then 'not_found'
                    when passed then 'recorded'
                    when plan_reason is null then 'insufficient'
                    else 'limit_reached' end as outcome
          from spent
    ), decided as materialized (
        -- fits: the open lot pays for all that this wallet is asked. Without an open lot there is
        -- no grant left at all: overdraft, nothing to look up.
        select *, available + held - burnt as balance_after,
               lot_grant_id is null
                   or lot_remaining >= coalesce(max(burnt) over (partition by wallet_id), 0) as fits
          from judged
    ), append_event as (
        insert into usage_events (dedupe_key, provider_id, customer_id, occurred_at, recorded_at,
                                  transaction_no, segment_no, settled_against, amount, cost,
                                  balance_after, allowance_after, reason, request_id, key_id,
                                  properties)
        select dedupe_key, provider_id, customer_id, occurred_at, at, transaction_no, in_segment,
               case when plan_reason is null then 'credits' else 'plan' end, trim_scale(amount),
               trim_scale(cost), trim_scale(balance_after), trim_scale(allowance_after), reason,
               request_id, key_id, properties
          from decided where outcome = 'recorded'
         order by dedupe_key
    ), debits as (
        select wallet_at, sum(cost) as amount
          from decided where outcome = 'recorded' and cost > 0 and fits
         group by wallet_at
    ), debited as (
        -- By row address: the row is locked, so it has not moved since it was read.
        update credit_wallets wallet
           set available = available - debits.amount, consumed = wallet.consumed + debits.amount,
               lot_remaining = case when wallet.lot_grant_id is null then 0
                                    else lot_remaining - debits.amount end
          from debits
         where wallet.ctid = debits.wallet_at
    ), append_entry as (
        insert into credit_entries (wallet_id, transaction_no, leg_no, segment_no, provider_id,
                                    kind, from_account, to_account, grant_id, amount, from_after,
                                    to_after, effective_at, recorded_at)
        select wallet_id, transaction_no, 1, in_segment, provider_id, 'usage', 'available',
               'consumed', lot_grant_id, trim_scale(cost), trim_scale(available - burnt),
               trim_scale(consumed + burnt), at, at
          from decided
         where outcome = 'recorded' and cost > 0 and fits
    ), count_allowance as (
        update plan_allowances plan set used = plan.used + counted.amount
          from (select customer_id, plan_reason, sum(amount) as amount from decided
                 where outcome = 'recorded' and plan_reason is not null
                 group by customer_id, plan_reason) as counted
         where plan.customer_id = counted.customer_id and plan.reason = counted.plan_reason
    ), hourly as (
        select customer_id, date_bin('1 hour', occurred_at, '2000-01-01 00:00Z') as hour, reason,
               provider_id, count(*) as events, sum(amount) as amount, sum(cost) as cost
          from decided where outcome = 'recorded'
         group by 1, 2, 3, 4
    ), roll_up as (
        insert into usage_rollups as rollup
               (customer_id, hour, reason, provider_id, events, amount, cost)
        select customer_id, hour, reason, provider_id, events, amount, cost from hourly
         order by customer_id, hour, reason
            on conflict (customer_id, hour, reason) do update
           set events = rollup.events + excluded.events, amount = rollup.amount + excluded.amount,
               cost = rollup.cost + excluded.cost
    )
    select array_agg(outcome order by ordinal), array_agg(cost order by ordinal),
           -- A refusal answers what is there to spend, an acceptance what is left.
           array_agg(balance_after order by ordinal), array_agg(allowance_after order by ordinal),
           array_agg(refuse and outcome = 'recorded' and plan_reason is null
                     and available - burnt < -overdraft_limit order by ordinal),
           jsonb_agg(jsonb_build_object('wallet_id', wallet_id, 'amount', cost,
                                        'transaction_no', transaction_no) order by ordinal)
               filter (where outcome = 'recorded' and cost > 0 and not fits)
      into new_outcomes, new_costs, new_balances, new_allowances, new_warnings, crossing
      from decided;

    -- 4. The uncommon rest: debits that run from one grant into the next, one by one.
    if crossing is not null then
        for debit in select * from jsonb_to_recordset(crossing)
                       as debit (wallet_id uuid, amount numeric, transaction_no bigint) loop
            perform credit_burn(debit.wallet_id, debit.amount, debit.transaction_no, in_segment, at);
        end loop;
    end if;
    customers := all_customers;
    if not repeated then
        outcomes := new_outcomes;
        warnings := new_warnings;
    else
        -- Put the answers for known ids between those that were decided.
        for n in 1 .. cardinality(repeats.verdicts) loop
            if repeats.verdicts[n] is null then
                decided := decided + 1;
                outcomes[n] := new_outcomes[decided];
                repeats.old_costs[n] := new_costs[decided];
                repeats.old_balances[n] := new_balances[decided];
                repeats.old_allowances[n] := new_allowances[decided];
                warnings[n] := new_warnings[decided];
            elsif repeats.verdicts[n] = 'follows' then
                leader := repeats.leaders[n];       -- earlier, so its answer is already there
                outcomes[n] := case when outcomes[leader] not in ('recorded', 'duplicate') then
                                         case when repeats.other_content[n] then 'again'
                                              else outcomes[leader] end
                                    when repeats.other_content[n] then 'conflict'
                                    else 'duplicate' end;
                repeats.old_costs[n] := repeats.old_costs[leader];
                repeats.old_balances[n] := repeats.old_balances[leader];
                repeats.old_allowances[n] := repeats.old_allowances[leader];
                warnings[n] := false;
            else
                outcomes[n] := repeats.verdicts[n];
                warnings[n] := false;
            end if;
        end loop;
        new_costs := repeats.old_costs;
        new_balances := repeats.old_balances;
        new_allowances := repeats.old_allowances;
    end if;
    -- As text, trimmed: the digits go into the answer as they stand.
    costs := array(select trim_scale(v)::text from unnest(new_costs) with ordinality u (v, n) order by n);
    balances := array(select trim_scale(v)::text from unnest(new_balances) with ordinality u (v, n) order by n);
    allowances := array(select trim_scale(v)::text from unnest(new_allowances) with ordinality u (v, n) order by n);
end $$;

revoke execute on function settle(json, timestamptz, boolean) from public;
grant execute on function settle(json, timestamptz, boolean) to tollkeeper_app;
