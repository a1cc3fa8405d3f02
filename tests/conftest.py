"""What every test of the course may rely on."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples on every machine, and none that fails because another program was busy: a slow machine is no bug.
settings.register_profile(
    "course", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("course")
