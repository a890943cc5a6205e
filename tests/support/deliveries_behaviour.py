"""What deliveries promise, whatever keeps them: `test_...(deliveries)` for the fake and for MongoDB."""

from dataclasses import replace

from consumers.deliver.ports import Deliveries
from schemas.delivery import Answer, Delivery

TAKEN = Answer(200)
FAILED = Answer(500, "http_500")


def delivery(event_id: str, document: str = "cust-1", revision: int = 1) -> Delivery:
    return Delivery(event_id, "customer", document, "customer.changed", revision, b"{}", made_at=revision)


class DeliveriesBehaviour:
    """Inherited by the tests of each; `deliveries` is a fixture of theirs."""

    async def test_kept_twice_is_kept_once(self, deliveries: Deliveries) -> None:
        """A record that comes again is the same delivery."""
        assert await deliveries.keep([delivery("a"), delivery("b", "cust-2")], now=10) == {"a", "b"}
        assert await deliveries.keep([delivery("a"), delivery("c", "cust-3")], now=11) == {"c"}

    async def test_of_a_document_one_at_a_time_in_order_of_revision(self, deliveries: Deliveries) -> None:
        """What waits behind another is not taken before that has ended."""
        await deliveries.keep([delivery("late", revision=9), delivery("early", revision=2)], now=10)
        await deliveries.keep([delivery("other", "cust-2", revision=5)], now=10)
        first = await deliveries.take(10, 10, 60)
        assert {each.id for each in first} == {"early", "other"}
        assert await deliveries.take(10, 10, 60) == []
        early = next(each for each in first if each.id == "early")
        await deliveries.delivered([(early, TAKEN)], now=11)
        assert [each.id for each in await deliveries.take(11, 10, 60)] == ["late"]

    async def test_a_failed_one_waits_and_holds_back_its_own_document_alone(self, deliveries: Deliveries) -> None:
        """Others go on; and it counts its tries."""
        await deliveries.keep([delivery("one", revision=1), delivery("two", revision=2)], now=10)
        (one,) = await deliveries.take(10, 10, 60)
        await deliveries.again(one, FAILED, at=1_000, now=10)
        await deliveries.keep([delivery("other", "cust-2")], now=10)
        assert [each.id for each in await deliveries.take(500, 10, 60)] == ["other"]
        (again,) = await deliveries.take(1_000, 10, 60)
        assert (again.id, again.tries) == ("one", 1)

    async def test_given_up_lets_the_next_go(self, deliveries: Deliveries) -> None:
        """A body that the platform never takes does not stand in the way for ever."""
        await deliveries.keep([delivery("one", revision=1), delivery("two", revision=2)], now=10)
        (one,) = await deliveries.take(10, 10, 60)
        await deliveries.given_up(one, FAILED, now=20)
        assert [each.id for each in await deliveries.take(20, 10, 60)] == ["two"]

    async def test_let_go_is_taken_again_without_a_try(self, deliveries: Deliveries) -> None:
        """As where the endpoint was disabled meanwhile."""
        await deliveries.keep([delivery("one")], now=10)
        (one,) = await deliveries.take(10, 10, 60)
        await deliveries.release(one, FAILED, now=10)
        (again,) = await deliveries.take(10, 10, 60)
        assert again.tries == 0

    async def test_what_is_let_go_is_not_held_by_holding_it_anew(self, deliveries: Deliveries) -> None:
        """As where its post ended in the same moment."""
        await deliveries.keep([delivery("one")], now=10)
        (one,) = await deliveries.take(10, 10, 60)
        await deliveries.hold(["one"], 60)
        assert await deliveries.take(10, 10, 60) == []
        await deliveries.release(one, FAILED, now=10)
        await deliveries.hold(["one"], 60)
        assert [each.id for each in await deliveries.take(10, 10, 60)] == ["one"]

    async def test_one_that_is_forgotten_is_gone_and_the_next_is_taken(self, deliveries: Deliveries) -> None:
        """Held or not; what is behind it of its document is not held back."""
        await deliveries.keep([delivery("one", revision=1), delivery("two", revision=2)], now=10)
        await deliveries.take(10, 10, 60)
        await deliveries.forget(["one", "nobody"])
        assert [each.id for each in await deliveries.take(10, 10, 60)] == ["two"]
        assert await deliveries.keep([delivery("one", revision=1)], now=10) == {"one"}

    async def test_many_are_taken_at_once_and_what_waits_behind_each_is_due(self, deliveries: Deliveries) -> None:
        """Also behind one that had failed, which put off what is behind it."""
        await deliveries.keep([delivery(f"{n}-first", f"cust-{n}", revision=1) for n in range(3)], now=10)
        await deliveries.keep([delivery(f"{n}-second", f"cust-{n}", revision=2) for n in range(3)], now=10)
        firsts = await deliveries.take(10, 10, 60)
        failed = next(each for each in firsts if each.id == "1-first")
        await deliveries.again(failed, FAILED, at=1_000, now=10)
        rest = [each for each in firsts if each is not failed]
        await deliveries.delivered([(each, TAKEN) for each in rest], now=11)
        assert {each.id for each in await deliveries.take(11, 10, 60)} == {"0-second", "2-second"}
        (again,) = await deliveries.take(1_000, 10, 60)
        await deliveries.delivered([(again, TAKEN)], now=12)
        assert [each.id for each in await deliveries.take(12, 10, 60)] == ["1-second"]

    async def test_no_more_are_taken_than_asked_for(self, deliveries: Deliveries) -> None:
        """The rest is there for the next look, or for somebody else."""
        await deliveries.keep([delivery(f"d{n}", f"cust-{n}") for n in range(5)], now=10)
        first = await deliveries.take(10, 2, 60)
        assert len(first) == 2
        rest = await deliveries.take(10, 10, 60)
        assert {each.id for each in (*first, *rest)} == {f"d{n}" for n in range(5)}
        assert len(rest) == 3

    async def test_a_document_with_very_many_deliveries_hides_no_other(self, deliveries: Deliveries) -> None:
        """Its rows are all due before the other's, and only the first of them can be posted."""
        await deliveries.keep([delivery(f"many-{n:04d}", "cust-1", revision=n) for n in range(1, 300)], now=10)
        await deliveries.keep([delivery("other", "cust-2")], now=11)
        assert {each.id for each in await deliveries.take(11, 2, 60)} == {"many-0001", "other"}

    async def test_its_trace_is_kept_with_it(self, deliveries: Deliveries) -> None:
        """It may be posted hours later, and by another process."""
        traced = replace(delivery("one"), traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        await deliveries.keep([traced, delivery("two", "cust-2")], now=10)
        taken = {each.id: each.traceparent for each in await deliveries.take(10, 10, 60)}
        assert taken == {"one": traced.traceparent, "two": ""}
