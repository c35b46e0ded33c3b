"""What must always hold of credits."""

from sqlalchemy import TextClause, text

from tollkeeper.infra.invariants import Invariant, missing_append_only
from tollkeeper.infra.runtime import Runtime

# Each answers the faults as text, a handful at most: one is enough to look into.
_WALLETS = text(
    """
    select format('wallet %s holds %s available, %s held, %s consumed, %s expired; its entries say '
                  '%s, %s, %s, %s', w.wallet_id, w.available, w.held, w.consumed, w.expired,
                  coalesce(e.available, 0), coalesce(e.held, 0), coalesce(e.consumed, 0),
                  coalesce(e.expired, 0))
      from credit_wallets w
      full join (select wallet_id,
                        sum(change) filter (where account = 'available') as available,
                        sum(change) filter (where account = 'held') as held,
                        sum(change) filter (where account = 'consumed') as consumed,
                        sum(change) filter (where account = 'expired') as expired
                   from credit_ledger group by wallet_id) e using (wallet_id)
     where (w.available, w.held, w.consumed, w.expired)
           is distinct from (coalesce(e.available, 0), coalesce(e.held, 0),
                             coalesce(e.consumed, 0), coalesce(e.expired, 0))
     limit 5
    """
)
_BALANCES = text(
    """
    select format('wallet %s has %s available, but its grants hold %s', w.wallet_id, w.available,
                  coalesce(g.remaining, 0))
      from credit_wallets w
      left join (select wallet_id, sum(remaining) as remaining
                   from credit_grants_now where state = 'active' group by wallet_id) g
            using (wallet_id)
     where greatest(w.available, 0) <> coalesce(g.remaining, 0)
     limit 5
    """
)
_CHAINS = text(
    """
    select format('entry %s.%s of wallet %s starts at %s, where the one before it ended at %s',
                  transaction_no, leg_no, wallet_id, balance_before, expected)
      from (select *, lag(balance_after, 1, 0.0) over (partition by wallet_id, account
                                                       order by transaction_no, leg_no) as expected
              from credit_ledger) chained
     where balance_before <> expected
     limit 5
    """
)
_DEBITS = text(
    """
    select format('transaction %s: events cost %s, the ledger debits %s', transaction_no,
                  coalesce(e.cost, 0), coalesce(d.amount, 0))
      from (select transaction_no, sum(cost) as cost from usage_events
             where settled_against = 'credits' and cost > 0 group by 1) e
      full join (select transaction_no, sum(amount) as amount from credit_entries
                  where kind = 'usage' group by 1) d using (transaction_no)
     where e.cost is distinct from d.amount
     limit 5
    """
)


def _none_of(query: TextClause, law: str) -> Invariant:
    async def faults(runtime: Runtime) -> list[str]:
        async with runtime.operator.transaction() as db:
            return list((await db.execute(query)).scalars())

    return Invariant(law, faults)


async def _append_only(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        return await missing_append_only(db, "credit_entries")


INVARIANTS = (
    Invariant("the ledger cannot be changed", _append_only),
    _none_of(_WALLETS, "a wallet holds what its ledger entries sum to"),
    _none_of(_BALANCES, "what is available is what is left of the grants"),
    _none_of(_CHAINS, "each ledger entry starts where the one before it ended"),
    _none_of(_DEBITS, "every debit has its event, and every event its debit"),
)
