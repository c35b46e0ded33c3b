from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.gate.conftest import Answer, NewTill, Till

from tollkeeper.kernel.clock import ManualClock

AVAILABLE = "select available from credit_wallets where customer_id = :c"


def outcomes(answers: list[Answer]) -> list[str]:
    return [answer.outcome for answer in answers]


async def test_a_use_is_debited_and_its_retry_is_not(till: Till) -> None:
    """The same request again has the same figures and moves nothing."""
    ada = await till.customer(100)
    assert (await till.settle(till.use(ada, 5, "a")))[0].figures == ("recorded", 5, 95)
    assert (await till.settle(till.use(ada, 10, "b")))[0].figures == ("recorded", 10, 85)
    assert (await till.settle(till.use(ada, 5, "a")))[0].figures == ("duplicate", 5, 95)
    assert (await till.settle(till.use(ada, "5.00", "a")))[0].figures == ("duplicate", 5, 95)
    assert (
        await till.one("select available from credit_wallets where customer_id = :c", c=ada) == 85
    )


async def test_a_retry_with_a_fresh_timestamp_is_still_a_retry(
    till: Till, clock: ManualClock
) -> None:
    """Or else each retry would be billed again."""
    ada = await till.customer(100)
    await till.settle(till.use(ada, 5, "a"))
    clock.advance(60)
    assert (await till.settle(till.use(ada, 5, "a")))[0].figures == ("duplicate", 5, 95)


@pytest.mark.parametrize(
    "other", [{"amount": 6}, {"reason": "tokens"}, {"properties": {"model": "big"}}]
)
async def test_a_request_id_with_other_content_is_a_conflict(
    till: Till, other: dict[str, object]
) -> None:
    """An id names one event for ever."""
    ada = await till.customer(100)
    await till.settle(till.use(ada, 5, "a"))
    item = till.use(ada, 5, "a") | {
        {"amount": "a", "reason": "r", "properties": "x"}[name]: value
        for name, value in other.items()
    }
    assert outcomes(await till.settle(item)) == ["conflict"]


async def test_what_does_not_fit_is_refused_and_does_not_claim_its_id(till: Till) -> None:
    """A refusal records nothing, so the same request may pass later."""
    ada = await till.customer(85)
    assert (await till.settle(till.use(ada, 86, "a")))[0].figures == ("insufficient", 86, 85)
    assert (await till.settle(till.use(ada, 85, "a")))[0].figures == ("recorded", 85, 0)
    assert await till.one("select count(*) from usage_events where customer_id = :c", c=ada) == 1


async def test_items_of_a_batch_take_effect_one_after_the_other(till: Till) -> None:
    """A refused item does not keep a smaller one behind it from passing."""
    ada = await till.customer(10)
    answers = await till.settle(
        till.use(ada, 8, "1"),
        till.use(ada, 5, "2"),
        till.use(ada, 2, "3"),
        till.use(ada, 1, "4"),
        till.use(ada, 8, "1"),
        till.use(ada, 9, "1"),
        till.use(ada, 5, "2"),
        till.use(ada, 1, "2"),
    )
    assert outcomes(answers) == [
        *("recorded", "insufficient", "recorded", "insufficient"),
        *("duplicate", "conflict", "insufficient", "again"),
    ]
    assert [answer.balance for answer in answers[:5]] == [2, 2, 0, 0, 2]


async def test_a_bad_item_fails_alone_between_those_of_others(till: Till) -> None:
    """Customers of one batch do not touch each other."""
    ada, bob = await till.customer(10), await till.customer(3)
    answers = await till.settle(
        till.use(ada, 6),
        till.use(bob, 2),
        till.use(ada, 6),
        till.use(bob, 2),
        till.use(uuid4(), 1),
        till.use(ada, 4),
        till.use(bob, 1),
    )
    assert outcomes(answers) == [
        *("recorded", "recorded", "insufficient", "insufficient"),
        *("not_found", "recorded", "recorded"),
    ]


async def test_another_providers_customer_is_not_found(new_till: NewTill) -> None:
    """The function sees all providers; each join names one."""
    ours, theirs = await new_till(), await new_till()
    stranger = await theirs.customer(10)
    assert outcomes(await ours.settle(ours.use(stranger, 1))) == ["not_found"]
    mixed = await ours.settle(
        theirs.use(stranger, 1, "same"), ours.use(await ours.customer(5), 1, "same")
    )
    assert outcomes(mixed) == ["recorded", "recorded"]


async def test_a_customer_is_found_by_external_id_and_without_a_wallet(till: Till) -> None:
    """The first use opens the wallet; its balance is zero until there is a grant."""
    body = {"name": "A", "email": "a@example.com", "external_id": "ext-1"}
    await till.seller.writer.post("/customers", json=body)
    assert (await till.settle(till.use("ext-1", 1)))[0].figures == ("insufficient", 1, 0)
    assert outcomes(await till.settle(till.use("ext-2", 1))) == ["not_found"]


async def test_usage_that_has_happened_is_recorded_below_zero_and_repaid_first(till: Till) -> None:
    """A later grant covers the debt before anything of it can be spent."""
    ada = await till.customer(10)
    answers = await till.settle(*(till.use(ada, 7) for _ in range(3)), refuse=False)
    assert answers[-1].figures == ("recorded", 7, -11)
    grant = await till.grant(ada, 20)
    remaining = "select remaining from credit_grants_now where grant_id = :g"
    assert await till.one(remaining, g=grant) == 9
    assert await till.one(AVAILABLE, c=ada) == 9


async def test_grants_burn_in_the_documented_order_and_expire_at_their_instant(
    till: Till, clock: ManualClock
) -> None:
    """Priority, soonest to expire, promotional before paid, oldest."""
    start, day = clock.now(), timedelta(days=1)
    ada = await till.customer()
    paid = await till.grant(ada, 10)
    promotional = await till.grant(ada, 10, kind="promotional")
    soon = await till.grant(ada, 10, expires=start + day)
    first = await till.grant(ada, 10, priority=-1)
    later = await till.grant(ada, 10, priority=-5, effective=start + 2 * day)

    async def left() -> list[object]:
        query = "select remaining from credit_grants_now where grant_id = :g"
        grants = (first, soon, promotional, paid, later)
        return [await till.one(query, g=grant) for grant in grants]

    await till.settle(till.use(ada, 4))
    assert await left() == [6, 10, 10, 10, 10]
    await till.settle(till.use(ada, 10))
    assert await left() == [0, 6, 10, 10, 10]
    clock.move_to(start + day - timedelta(microseconds=1))
    assert (await till.settle(till.use(ada, 1)))[0].figures == ("recorded", 1, 25)
    clock.advance(timedelta(microseconds=1))
    assert (await till.settle(till.use(ada, 1)))[0].figures == ("recorded", 1, 19)
    assert await left() == [0, 0, 9, 10, 10]
    clock.move_to(start + 2 * day)
    assert (await till.settle(till.use(ada, 1)))[0].figures == ("recorded", 1, 28)
    assert (await till.settle(till.use(ada, 29)))[0].outcome == "insufficient"
    assert (await till.settle(till.use(ada, 28)))[0].figures == ("recorded", 28, 0)
    assert await left() == [0, 0, 0, 0, 0]


async def test_the_rate_with_the_most_matching_properties_counts(till: Till) -> None:
    """A credit rate per reason, also per property value."""
    rates = [("{}", "0.5", True), ('{"model": "big"}', "3", False)]
    rates.append(('{"model": "big", "type": "out"}', "10", False))
    async with till.runtime.database.transaction(till.seller.scope) as db:
        for match, rate, varies in rates:
            await db.execute(
                text(
                    "insert into credit_rates (provider_id, reason, match, rate, varies) "
                    "values (:p, 'tokens', cast(:m as jsonb), cast(:r as numeric), :v)"
                ),
                {"p": till.seller.id, "m": match, "r": rate, "v": varies},
            )
    ada = await till.customer(1000)
    answers = await till.settle(
        till.use(ada, 2, reason="tokens"),
        till.use(ada, 2, reason="tokens", properties={"model": "big"}),
        till.use(ada, 2, reason="tokens", properties={"type": "out", "model": "big"}),
        till.use(ada, 2, reason="other"),
    )
    assert [answer.cost for answer in answers] == [1, 6, 20, 2]


async def test_a_hard_limit_of_the_plan_refuses_and_burns_no_credits(till: Till) -> None:
    """The seam for plans: an allowance is counted in the same function."""
    ada = await till.customer(10)
    async with till.runtime.database.transaction(till.seller.scope) as db:
        await db.execute(
            text(
                "insert into plan_allowances "
                "(customer_id, reason, provider_id, included, hard_limit) "
                "values (:c, 'sms', :p, 5, true)"
            ),
            {"c": ada, "p": till.seller.id},
        )
    answers = await till.settle(
        till.use(ada, 3, "1", reason="sms"),
        till.use(ada, 3, "2", reason="sms"),
        till.use(ada, 2, "3", reason="sms"),
        till.use(ada, 1, "4"),
    )
    assert outcomes(answers) == ["recorded", "limit_reached", "recorded", "recorded"]
    assert [answer.cost for answer in answers] == [0, 0, 0, 1]
    assert [answer.allowance for answer in answers] == [2, 2, 0, None]
    again = (await till.settle(till.use(ada, 3, "1", reason="sms")))[0]
    assert again.outcome == "duplicate"
    assert again.allowance == 2


@pytest.mark.parametrize(
    "statement",
    [
        "update usage_events set amount = 2",
        "delete from usage_events",
        "truncate usage_events",
        "update credit_entries set amount = 2",
        "delete from credit_entries",
        "truncate credit_entries_1",
        "delete from usage_events_1",
    ],
)
async def test_the_database_refuses_to_change_history(till: Till, statement: str) -> None:
    """Even to the owner."""
    ada = await till.customer(5)
    await till.settle(till.use(ada, 1))
    with pytest.raises(DBAPIError, match="append-only"):
        async with till.runtime.operator.transaction() as db:
            await db.execute(text(statement))


async def test_the_application_cannot_write_to_the_ledger_itself(till: Till) -> None:
    """Only the functions can, and they name the provider in every look-up."""
    ada = await till.customer(5)
    for statement in (
        "update credit_wallets set available = 100 where customer_id = :c",
        "insert into credit_entries select * from credit_entries",
        "select credit_advance(wallet_id, 1, now()) from credit_wallets where customer_id = :c",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with till.runtime.database.transaction(till.seller.scope) as db:
                await db.execute(text(statement), {"c": ada} if ":c" in statement else {})
