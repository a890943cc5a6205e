"""`tandem chaos`: the whole on real Kafka and MongoDB, under load and faults that follow from a seed, and a judge."""
