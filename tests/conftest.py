"""Settings for all tests."""

from hypothesis import settings

# A machine under load is slow, and a test of behaviour is no test of speed.
settings.register_profile("sensorpi", deadline=None)
settings.load_profile("sensorpi")
