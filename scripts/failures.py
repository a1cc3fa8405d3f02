"""What does a failed installation mean to the person at the keyboard?"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

DISK = ("no space left on device", "not enough space on the disk", "errno 28", "os error 28", "disk quota exceeded")
NETWORK = (
    *("newconnectionerror", "connection broken by", "connection refused", "connection reset", "name resolution"),
    *("name or service not known", "getaddrinfo failed", "network is unreachable", "timed out", "proxyerror"),
    *("certificate_verify_failed", "sslerror", "dns error", "error sending", "failed to fetch", "versions: none"),
)


def explain(words: str, root: Path) -> tuple[str, bool]:
    """The sentence for a failure, from what was said of it, and whether the packages are as they were before."""
    low = words.lower()
    if any(sign in low for sign in DISK):
        return f"the disk is full ({root} or {tempfile.gettempdir()}); free some space and start again.", False
    if any(sign in low for sign in NETWORK):
        return "the package index cannot be reached, and installing needs it; check the network and start again.", True
    if any(sign in low for sign in ("permission denied", "access is denied", "read-only file system", "not permitted")):
        return f"{root} cannot be written; copy the course into a folder of your own, or close what uses .venv.", False
    if "do not match the hashes" in low or "hash mismatch" in low:
        return "the index has other files than requirements.lock names by their hashes; use another index.", False
    last = " / ".join(line.strip() for line in words.strip().splitlines()[-3:])
    if "no matching distribution" in low or "no solution found" in low:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return f"a package does not exist for Python {version} here; try another Python. It said: {last}", True
    return f"the packages could not be installed (what was done is in .venv/start.log): {last}", False
