"""MongoDB, by PyMongo's asynchronous client."""
