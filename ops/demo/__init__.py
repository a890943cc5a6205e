"""`tandem demo`: the main job on real Kafka, real MongoDB and a simulated org, and a judge at the end."""
