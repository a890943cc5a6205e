"""How many examples hypothesis tries of what is slow."""

from hypothesis import settings
from support.profiles import LONG, slow


def test_a_quick_run_tries_few_and_the_same_and_a_long_one_what_its_profile_says() -> None:
    """`--hypothesis-profile=long`: a failure that chance finds there is printed with its seed."""
    quick, long = slow(3, long=False), slow(3, long=True)
    assert (quick.max_examples, quick.derandomize) == (3, True)
    assert (long.max_examples, long.derandomize) == (settings.get_profile(LONG).max_examples, False)
    assert long.max_examples >= 100
