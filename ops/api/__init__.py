"""The ports of the API's routes, put together from adapters and rules."""
