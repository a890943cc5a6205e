"""The one thing every stage must know of an outside part that fails: it is away."""


class Unavailable(Exception):
    """An outside part did not answer: wait and try again, skip nothing."""
