"""Settings of all tests."""

from hypothesis import settings

# A property is no less true on a busy machine: examples have no time limit.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
