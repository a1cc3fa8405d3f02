"""How does an engine's process end when the one that asked it is gone?"""

from __future__ import annotations

import os
import signal
import threading
import time

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this process and its group once its parent has died: an engine started for one answer leaves nothing."""
    if os.name == "nt":
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    if os.getpgid(0) == os.getpid():  # else the group is somebody else's
        threading.Thread(target=watch, name="end with parent", daemon=True).start()
