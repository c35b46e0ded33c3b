-- Credits on a double-entry ledger.
--
-- A wallet is a customer's credits in one unit. Its five accounts always sum to zero:
--   issued (negative) + available + held + consumed + expired = 0
-- A row of credit_entries is a transfer from one account of a wallet to another, so a transaction
-- sums to zero by construction; the amounts in the wallet are a cache that `doctor` proves.
--
-- The open lot is the grant that burns now. What is left of it stands in the wallet, not in the
-- grant, so that the common debit writes one row. That choice holds until next_change_at.
--
-- All functions here expect the caller to hold the wallet's row lock and the current segment.

-- Burn order, in one place: priority, soonest to expire, promotional before paid, oldest.
-- (grant_id only settles ties.)
create or replace function credit_burn_order(of_wallet uuid) returns setof credit_grants
language sql stable rows 4 as $$
    select * from credit_grants
     where wallet_id = of_wallet and state = 'active' and remaining > 0
     order by priority, expires_at, (kind = 'paid'), created_at, grant_id
$$;

-- Write the open lot's remainder back to its grant, and have no open lot.
create or replace function credit_close_lot(of_wallet uuid) returns void language sql as $$
    update credit_grants g
       set remaining = w.lot_remaining,
           state = case when w.lot_remaining = 0 then 'spent' else g.state end
      from credit_wallets w
     where w.wallet_id = of_wallet and g.grant_id = w.lot_grant_id;
    update credit_wallets set lot_grant_id = null, lot_remaining = 0 where wallet_id = of_wallet;
$$;

-- Open the grant that burns next, and note until when that choice holds.
create or replace function credit_open_lot(of_wallet uuid) returns void language sql as $$
    update credit_wallets w
       set lot_grant_id = g.grant_id,
           lot_remaining = coalesce(g.remaining, 0),
           next_change_at = coalesce(
               (select min(case state when 'pending' then effective_at else expires_at end)
                  from credit_grants
                 where wallet_id = of_wallet and state in ('pending', 'active')), 'infinity')
      from (select 1) as always
      left join (select * from credit_burn_order(of_wallet) limit 1) as g on true
     where w.wallet_id = of_wallet;
$$;

create or replace function credit_post(
    wallet credit_wallets, transaction_no bigint, leg_no integer, segment_no integer, kind text,
    from_account text, to_account text, grant_id uuid, amount numeric,
    from_after numeric, to_after numeric, effective_at timestamptz, at timestamptz) returns void
language sql as $$
    insert into credit_entries (wallet_id, transaction_no, leg_no, segment_no, provider_id, kind,
                                from_account, to_account, grant_id, amount, from_after, to_after,
                                effective_at, recorded_at)
    values (wallet.wallet_id, transaction_no, leg_no, segment_no, wallet.provider_id, kind,
            from_account, to_account, grant_id, trim_scale(amount), trim_scale(from_after),
            trim_scale(to_after), effective_at, at)
$$;

-- Post what time alone has changed: grants that took effect, grants that expired, in the order of
-- their instants. It may be late, but never later than a decision that depends on it.
create or replace function credit_advance(of_wallet uuid, in_segment integer, at timestamptz)
returns void language plpgsql as $$
declare
    wallet   credit_wallets;
    due      credit_grants;
    number   bigint  := nextval('credit_transaction_numbers');
    leg      integer := 0;
    covered  numeric;
    issued   numeric;
begin
    perform credit_close_lot(of_wallet);
    select * into strict wallet from credit_wallets where wallet_id = of_wallet;
    loop
        select * into due from credit_grants
         where wallet_id = of_wallet
           and (state = 'pending' and effective_at <= at or state = 'active' and expires_at <= at)
         order by case state when 'pending' then effective_at else expires_at end, state, grant_id
         limit 1;
        exit when not found;
        leg := leg + 1;
        if due.state = 'pending' then
            -- An overdraft is paid back first.
            covered := least(due.amount, greatest(-wallet.available, 0));
            wallet.available := wallet.available + due.amount;
            issued := -(wallet.available + wallet.held + wallet.consumed + wallet.expired);
            update credit_grants
               set state = case when covered = amount then 'spent' else 'active' end,
                   remaining = amount - covered, covered_debt = covered
             where grant_id = due.grant_id;
            perform credit_post(wallet, number, leg, in_segment, 'grant', 'issued', 'available',
                                due.grant_id, due.amount, issued, wallet.available,
                                due.effective_at, at);
        else
            if due.remaining > 0 then
                wallet.available := wallet.available - due.remaining;
                wallet.expired := wallet.expired + due.remaining;
                perform credit_post(wallet, number, leg, in_segment, 'expiry', 'available',
                                    'expired', due.grant_id, due.remaining, wallet.available,
                                    wallet.expired, due.expires_at, at);
            end if;
            update credit_grants set state = 'expired', remaining = 0
             where grant_id = due.grant_id;
        end if;
    end loop;
    update credit_wallets set available = wallet.available, expired = wallet.expired
     where wallet_id = of_wallet;
    perform credit_open_lot(of_wallet);
end $$;

-- The uncommon debit: more than the open lot has. Burns grant after grant; the rest is overdraft.
create or replace function credit_burn(
    of_wallet uuid, wanted numeric, number bigint, in_segment integer, at timestamptz)
returns void language plpgsql as $$
declare
    wallet credit_wallets;
    lot    credit_grants;
    owed   numeric := wanted;
    leg    integer := 0;
    taken  numeric;
begin
    perform credit_close_lot(of_wallet);
    select * into strict wallet from credit_wallets where wallet_id = of_wallet;
    for lot in select * from credit_burn_order(of_wallet) loop
        exit when owed = 0;
        taken := least(owed, lot.remaining);
        owed := owed - taken;
        leg := leg + 1;
        wallet.available := wallet.available - taken;
        wallet.consumed := wallet.consumed + taken;
        update credit_grants
           set remaining = remaining - taken,
               state = case when remaining = taken then 'spent' else state end
         where grant_id = lot.grant_id;
        perform credit_post(wallet, number, leg, in_segment, 'usage', 'available', 'consumed',
                            lot.grant_id, taken, wallet.available, wallet.consumed, at, at);
    end loop;
    if owed > 0 then
        leg := leg + 1;
        wallet.available := wallet.available - owed;
        wallet.consumed := wallet.consumed + owed;
        perform credit_post(wallet, number, leg, in_segment, 'usage', 'available', 'consumed',
                            null, owed, wallet.available, wallet.consumed, at, at);
    end if;
    update credit_wallets set available = wallet.available, consumed = wallet.consumed
     where wallet_id = of_wallet;
    perform credit_open_lot(of_wallet);
end $$;

-- The customer's wallet of this unit, made if it is missing. Null where there is no such customer.
create or replace function credit_wallet_for(of_provider uuid, of_customer uuid, of_unit text)
returns uuid language sql as $$
    insert into credit_wallets (wallet_id, provider_id, customer_id, unit)
    select gen_random_uuid(), provider_id, id, of_unit
      from customers where provider_id = of_provider and id = of_customer
    on conflict (customer_id, unit) do nothing;
    select wallet_id from credit_wallets
     where provider_id = of_provider and customer_id = of_customer and unit = of_unit;
$$;

-- Give credits. Takes the locks itself, in the same order as settle(). Answers false where the
-- customer is not the provider's. SECURITY DEFINER, since nobody may write to the ledger but these
-- functions; hence every look-up names the provider.
create or replace function credit_grant_add(
    of_provider uuid, of_customer uuid, of_unit text, new_grant uuid, new_amount numeric,
    new_kind text, new_priority integer, effective timestamptz, expires timestamptz, new_note text,
    at timestamptz) returns boolean
language plpgsql security definer set search_path = tollkeeper, pg_temp as $$
declare
    in_segment integer;
    wallet     uuid;
begin
    lock table usage_segments in row share mode;
    select segment_no into strict in_segment from usage_segments where state = 'current';
    wallet := credit_wallet_for(of_provider, of_customer, of_unit);
    if wallet is null then
        return false;
    end if;
    perform from credit_wallets where customer_id = of_customer order by customer_id, unit
        for no key update;
    insert into credit_grants (grant_id, provider_id, wallet_id, kind, priority, amount, remaining,
                               effective_at, expires_at, state, note, created_at)
    values (new_grant, of_provider, wallet, new_kind, new_priority, new_amount, new_amount,
            effective, coalesce(expires, 'infinity'), 'pending', new_note, at);
    perform credit_advance(wallet, in_segment, at);
    return true;
end $$;

-- Bring a customer's wallets up to this instant, so that what is read is what holds.
create or replace function credit_bring_up_to_date(of_provider uuid, of_customer uuid, at timestamptz)
returns void language plpgsql security definer set search_path = tollkeeper, pg_temp as $$
declare
    in_segment integer;
    due        uuid;
begin
    if not exists (select from credit_wallets where provider_id = of_provider
                      and customer_id = of_customer and next_change_at <= at) then
        return;
    end if;
    lock table usage_segments in row share mode;
    select segment_no into strict in_segment from usage_segments where state = 'current';
    for due in select wallet_id from credit_wallets
                where provider_id = of_provider and customer_id = of_customer
                order by customer_id, unit for no key update loop
        perform credit_advance(due, in_segment, at);
    end loop;
end $$;

-- A grant as a reader sees it: what is left of the open lot stands in the wallet.
create or replace view credit_grants_now with (security_invoker = true) as
select g.grant_id, g.provider_id, g.wallet_id, w.customer_id, w.unit, g.kind, g.priority, g.amount,
       case when w.lot_grant_id = g.grant_id then w.lot_remaining else g.remaining end as remaining,
       g.covered_debt, g.effective_at, nullif(g.expires_at, 'infinity') as expires_at,
       case when w.lot_grant_id = g.grant_id and w.lot_remaining = 0 then 'spent' else g.state end
           as state, g.note, g.created_at
  from credit_grants g join credit_wallets w using (wallet_id);

grant select on credit_grants_now to tollkeeper_app;
grant execute on function
    credit_grant_add(uuid, uuid, text, uuid, numeric, text, integer, timestamptz, timestamptz, text,
                     timestamptz),
    credit_bring_up_to_date(uuid, uuid, timestamptz) to tollkeeper_app;
do $$
declare
    internal text;
begin
    foreach internal in array array[
        'credit_grant_add(uuid, uuid, text, uuid, numeric, text, integer, timestamptz, timestamptz, '
        'text, timestamptz)',
        'credit_bring_up_to_date(uuid, uuid, timestamptz)',
        'credit_advance(uuid, integer, timestamptz)',
        'credit_burn(uuid, numeric, bigint, integer, timestamptz)'] loop
        execute format('revoke execute on function %s from public', internal);
    end loop;
end $$;
