"""How hard Hypothesis tries: `make test` a little, `make soak` a lot."""

from hypothesis import HealthCheck, settings

_ANY_SPEED = [HealthCheck.too_slow]
settings.register_profile(
    "quick", deadline=None, max_examples=100, suppress_health_check=_ANY_SPEED
)
settings.register_profile(
    "soak", deadline=None, max_examples=5000, suppress_health_check=_ANY_SPEED
)
settings.load_profile("quick")
