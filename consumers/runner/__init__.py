"""Takes records of Kafka topics to a handler, many keys at once, each key in order, and commits what is finished."""
