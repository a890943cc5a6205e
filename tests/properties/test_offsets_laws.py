"""Whatever finishes first and whatever is revoked: nothing unfinished is committed, and all of it in the end."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumers.runner.offsets import Ledger, Offsets
from consumers.runner.ports import Partition

PARTITIONS: list[Partition] = [("t", 0), ("t", 1), ("u", 0)]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_partition_is_committed_whole_once_all_is_finished(steps: list[int], random: object) -> None:
    """Offsets with holes, finished in any order: at each moment the prefix and no more, at the end all."""
    offsets = [sum(steps[:n]) for n in range(len(steps))]
    order = list(offsets)
    random.shuffle(order)  # type: ignore[attr-defined]
    ledger = Ledger()
    assert all(ledger.take(offset) for offset in offsets)
    finished: set[int] = set()
    for offset in order:
        ledger.finish(offset)
        finished.add(offset)
        prefix = [one for n, one in enumerate(offsets) if set(offsets[: n + 1]) <= finished]
        assert ledger.due == (prefix[-1] + 1 if prefix else None)
    ledger.committed(offsets[-1] + 1)
    assert ledger.due is None


class Group(RuleBasedStateMachine):
    """A consumer beside a log of its own: it may lose partitions at any time and gets them back where it committed."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = Offsets()
        self.stored = dict.fromkeys(PARTITIONS, 0)
        self.position = dict.fromkeys(PARTITIONS, 0)
        self.handled: dict[Partition, set[int]] = {partition: set() for partition in PARTITIONS}
        self.in_hand: list[tuple[Partition, Ledger, int]] = []
        self.committing: dict[Partition, int] = {}

    @rule(partition=st.sampled_from(PARTITIONS), count=st.integers(1, 5), hole=st.integers(0, 2))
    def take(self, partition: Partition, count: int, hole: int) -> None:
        """Records come, perhaps after offsets that hold none."""
        ledger = self.offsets.ledger(partition)
        if not ledger.open:
            return
        self.handled[partition].update(range(self.position[partition], self.position[partition] + hole))
        start = self.position[partition] + hole
        for offset in range(start, start + count):
            assert ledger.take(offset)
            assert not ledger.take(offset)
            self.in_hand.append((partition, ledger, offset))
        self.position[partition] = start + count

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Any record in hand ends, also one of a partition lost since."""
        partition, ledger, offset = self.in_hand.pop(data.draw(st.integers(0, len(self.in_hand) - 1)))
        ledger.finish(offset)
        self.handled[partition].add(offset)

    @rule(closing=st.sets(st.sampled_from(PARTITIONS)))
    def close(self, closing: set[Partition]) -> None:
        """A revocation begins."""
        self.offsets.close(closing)

    @rule(lost=st.sets(st.sampled_from(PARTITIONS)))
    def lose(self, lost: set[Partition]) -> None:
        """A revocation ends; whoever has the partition next begins where it was committed."""
        self.offsets.lose(lost)
        for partition in lost:
            self.position[partition] = self.stored[partition]

    @rule()
    def commit_begins(self) -> None:
        """What is due is sent to be stored."""
        self.committing = self.offsets.due()

    @rule()
    def commit_ends(self) -> None:
        """It is stored; the answer may come when partitions have been lost meanwhile."""
        self.stored.update(self.committing)
        self.offsets.committed(self.committing)
        self.committing = {}

    @invariant()
    def nothing_unhandled_is_committed(self) -> None:
        """Every offset before the stored one was handled by somebody."""
        for partition, offset in (self.stored | self.offsets.due()).items():
            assert set(range(offset)) <= self.handled[partition]

    def teardown(self) -> None:
        """Once all in hand has ended, everything owned can be committed."""
        for partition, ledger, offset in self.in_hand:
            ledger.finish(offset)
            self.handled[partition].add(offset)
        self.commit_begins()
        stored = self.stored | self.committing
        for partition in PARTITIONS:
            if self.offsets.ledger(partition).open and self.position[partition] > self.stored[partition]:
                assert stored[partition] == self.position[partition]


TestGroup = Group.TestCase
