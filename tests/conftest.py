"""What every test of the course may rely on."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# The same examples on every machine, and none that fails because another program was busy: a slow machine is no bug.
settings.register_profile(
    "course", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("course")

# Whatever a shell starts with & is deaf to Ctrl-C, and so would be every program that a test wants to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
