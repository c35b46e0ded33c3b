-- The event log, cut into segments in order of arrival.
--
-- Exactly one segment is 'current' and takes writes; its unique index is small, so it stays in
-- memory, and the same insert costs the same at twenty million events as at none.
--   next     created ahead, so that the switch itself is two row updates
--   current  takes writes
--   closed   read-only; its ids are looked up through its own unique index
--   sealed   its ids are in usage_ids; its own unique index is no longer consulted

-- The identity of a request, for ever: 16 bytes of SHA-256, since callers choose request ids and
-- must not be able to make two collide. Never change it: every stored key depends on it.
-- STABLE and not STRICT although it is neither: only so is it inlined (1.5 us instead of 3.1).
create or replace function usage_dedupe_key(wanted_provider uuid, request_id text) returns uuid
language sql stable parallel safe
return encode(substr(sha256(uuid_send(wanted_provider) || convert_to(request_id, 'UTF8')), 1, 16),
              'hex')::uuid;

-- Make a segment's tables. Uniqueness across segments is what settle() guarantees.
--
-- They are built by themselves and then attached: ATTACH takes SHARE UPDATE EXCLUSIVE on the whole,
-- whereas CREATE TABLE ... PARTITION OF takes ACCESS EXCLUSIVE, so that one long read of the events
-- would stop every writer behind it. The check spares ATTACH the scan.
create or replace function usage_segment_create(new_no integer) returns void
language plpgsql set search_path = tollkeeper, pg_temp as $$
declare
    whole text;
begin
    foreach whole in array array['usage_events', 'credit_entries'] loop
        execute format('create table %1$s_%2$s (like %1$s including constraints)', whole, new_no);
        execute format('alter table %1$s_%2$s add check (segment_no = %2$s)', whole, new_no);
        -- Triggers on rows are inherited from the whole, those on TRUNCATE are not.
        execute format('create trigger append_only_whole before truncate on %s_%s '
                       'for each statement execute function refuse_change()', whole, new_no);
    end loop;
    execute format('create unique index usage_events_%1$s_key on usage_events_%1$s (dedupe_key)',
                   new_no);
    execute format('create index usage_events_%1$s_customer on usage_events_%1$s '
                   '(customer_id, occurred_at)', new_no);
    execute format('create unique index credit_entries_%1$s_wallet on credit_entries_%1$s '
                   '(wallet_id, transaction_no, leg_no)', new_no);
    foreach whole in array array['usage_events', 'credit_entries'] loop
        execute format('alter table %1$s attach partition %1$s_%2$s for values in (%2$s)',
                       whole, new_no);
    end loop;
    insert into usage_segments (segment_no, state) values (new_no, 'next');
end $$;

-- Make the next segment current. Writers hold usage_segments in ROW SHARE mode from before they read
-- it until they commit; EXCLUSIVE waits for all of them and keeps out new ones until this commits.
-- So there is no instant at which one transaction writes to the old segment and another to the new:
-- whoever writes to the new one sees every id of the old one.
-- To be run as a short transaction of its own, with a lock_timeout.
create or replace function usage_segment_switch(at timestamptz) returns integer
language plpgsql set search_path = tollkeeper, pg_temp as $$
declare
    new_no integer;
begin
    lock table usage_segments in exclusive mode;
    update usage_segments set state = 'closed', closed_at = at where state = 'current';
    update usage_segments set state = 'current', opened_at = at where state = 'next'
    returning segment_no into strict new_no;
    return new_no;
end $$;

-- Copy the ids of a closed segment into a run of usage_ids, sorted. Slow, and takes no lock that a
-- writer would notice: the run is a table of its own until it is attached at the end, and until this
-- commits the ids are found through the segment.
create or replace function usage_segment_seal(closed_no integer) returns void
language plpgsql set search_path = tollkeeper, pg_temp as $$
declare
    run text := format('usage_ids_%s', closed_no);
begin
    perform from usage_segments where segment_no = closed_no and state = 'closed' for update;
    if not found then
        raise exception 'segment % is not closed', closed_no;
    end if;
    execute format('create table %I (like usage_ids)', run);
    execute format('alter table %I add check (run_no = %s)', run, closed_no);  -- attaching need not scan
    execute format('insert into %I select dedupe_key, segment_no, %s from usage_events '
                   'where segment_no = %s order by dedupe_key', run, closed_no, closed_no);
    execute format('create unique index %I on %I (dedupe_key) with (fillfactor = 100)',
                   run || '_key', run);
    update usage_segments
       set state = 'sealed',
           (events, first_occurred_at, last_occurred_at) =
               (select count(*), min(occurred_at), max(occurred_at)
                  from usage_events where segment_no = closed_no)
     where segment_no = closed_no;
    execute format('alter table usage_ids attach partition %I for values in (%s)', run, closed_no);
end $$;

-- Merge runs into one, so that a look-up probes few indexes. Nothing leaves before its replacement
-- is attached, in one transaction; DETACH locks usage_ids for the length of the swap only.
create or replace function usage_ids_merge(runs integer[], into_no integer) returns void
language plpgsql set search_path = tollkeeper, pg_temp as $$
declare
    merged text := format('usage_ids_%s', into_no);
    old_no integer;
begin
    execute format('create table %I (like usage_ids)', merged);
    execute format('alter table %I add check (run_no = %s)', merged, into_no);
    execute format('insert into %I select dedupe_key, segment_no, %s from usage_ids '
                   'where run_no = any ($1) order by dedupe_key', merged, into_no) using runs;
    execute format('create unique index %I on %I (dedupe_key) with (fillfactor = 100)',
                   merged || '_key', merged);
    foreach old_no in array runs loop
        execute format('alter table usage_ids detach partition usage_ids_%s', old_no);
        execute format('drop table usage_ids_%s', old_no);
    end loop;
    execute format('alter table usage_ids attach partition %I for values in (%s)', merged, into_no);
end $$;

-- The first two segments of a new database.
do $$
begin
    if not exists (select from usage_segments) then
        perform usage_segment_create(1);
        update usage_segments set state = 'current', opened_at = now() where segment_no = 1;
        perform usage_segment_create(2);
    end if;
end $$;

do $$
declare
    maintenance text;
begin
    foreach maintenance in array array['usage_segment_create(integer)',
        'usage_segment_switch(timestamptz)', 'usage_segment_seal(integer)',
        'usage_ids_merge(integer[], integer)'] loop
        execute format('revoke execute on function %s from public', maintenance);
    end loop;
end $$;
