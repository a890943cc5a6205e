"""How hard hypothesis tries: `--hypothesis-profile=long` for what is slow."""

from typing import Final

from hypothesis import settings

LONG: Final = "long"


def slow(quick: int, *, long: bool | None = None) -> settings:
    """So many examples, the same each time; in a long run as many as its profile says, and others each time."""
    if settings.get_current_profile_name() == LONG if long is None else long:
        profile = settings.get_profile(LONG)
        return settings(profile, max_examples=profile.max_examples, derandomize=False)
    return settings(max_examples=quick, derandomize=True)
