"""Where does a JupyterLab come from that knows nobody's settings and leaves nothing behind?"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from course_server import ENCRYPTED, is_root

__all__ = ["jupyterlab"]

START_SECONDS = 240  # a busy machine takes its time; idle, it is four
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {
        "windowingMode": "none",
        "scrollPastEnd": False,
    },  # else cells out of sight are not on the page
}


@contextmanager
def jupyterlab(notebooks: Path, *, dark: bool = False) -> Iterator[str]:
    """JupyterLab over a copy of a folder of notebooks; gives its address, with the token."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)))
        ignored = shutil.ignore_patterns("src", ".ipynb_checkpoints", "conftest.py", "__pycache__")
        shutil.copytree(notebooks, place / "course", ignore=ignored)
        settings = {**_SETTINGS, "apputils-extension/themes": {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"}}
        for name, content in settings.items():
            file = place / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content), encoding="utf-8")
        port, token = _free_port(), secrets.token_hex(16)
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            "MLOPS_LAB_HOME": "home",
        }
        variables = {**os.environ, "JUPYTER_TOKEN": token, **{key: str(place / to) for key, to in folders.items()}}
        options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", ENCRYPTED]
        options += [f"--ServerApp.root_dir={place / 'course'}", "--LabApp.expose_app_in_browser=True"]
        if is_root():
            options.append("--allow-root")
        log = stack.enter_context((place / "lab.log").open("w+", encoding="utf-8"))
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        stack.callback(_stop, server)
        _await(server, f"http://127.0.0.1:{port}/api/status?token={token}", place / "lab.log")
        yield f"http://127.0.0.1:{port}/lab?token={token}&reset"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - this machine's own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()  # it shuts its kernels down
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
