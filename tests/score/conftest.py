"""Settings of the property tests in this folder."""

from hypothesis import settings

# The machine may be busy: how long an example takes says nothing about the code.
settings.register_profile("busy", deadline=None, max_examples=50)
settings.load_profile("busy")
