"""Which partition a key goes to, and headers read one by one."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from adapters.kafka.partitions import murmur2, partition_of
from schemas import cloudevents


@given(st.binary(max_size=64), st.integers(1, 50))
def test_a_key_goes_where_every_other_client_of_kafka_would_send_it(key: bytes, count: int) -> None:
    """Else two clients would put records of one key into two partitions, and their order would be lost."""
    partitions = list(range(count))
    assert murmur2(key) & 0x7FFFFFFF == reference(key) & 0x7FFFFFFF
    assert partition_of(key, partitions, []) == DefaultPartitioner()(key, partitions, [])


def test_a_record_without_a_key_goes_to_a_partition_that_has_a_leader() -> None:
    """And to any where none has one."""
    assert {partition_of(None, [0, 1, 2], [2]) for _ in range(20)} == {2}
    assert partition_of(None, [0, 1, 2], []) in {0, 1, 2}


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_type", "x"]), st.binary(max_size=8))))
def test_headers_read_one_by_one_are_those_read_at_once(raw: list[tuple[str, bytes]]) -> None:
    """Also where a name comes twice or bytes are not UTF-8."""
    lazy = cloudevents.ReadHeaders(raw)
    assert dict(lazy) == cloudevents.read(raw) == lazy
    assert len(lazy) == len(cloudevents.read(raw))
    assert [lazy.get(name, "none") for name in ("ce_id", "x", "y")] == [
        cloudevents.read(raw).get(name, "none") for name in ("ce_id", "x", "y")
    ]
