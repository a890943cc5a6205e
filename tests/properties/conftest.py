"""How hypothesis runs here: no time limit for one example, since a busy machine is no counterexample."""

from hypothesis import settings

settings.register_profile("tandem", deadline=None)
settings.load_profile("tandem")
