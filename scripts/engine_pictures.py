"""What do MLflow's and Feast's own pages show of a home folder? Starts both on this machine, and takes pictures.

    .venv-feast-mlflow/bin/python scripts/engine_pictures.py HOME FOLDER

HOME was run with `--features-engine feast --registry-engine mlflow`; the pictures go into FOLDER as small PNG files.
Needs Chromium. Both servers listen on loopback, on ports that the system chose, and are ended afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds that a server may need on a machine that is busy with other things
MODEL = "late_flights"
#: Name of the picture: which server, which page of it, and words that have to be there.
PAGES = {
    "mlflow_model": ("mlflow", f"#/models/{MODEL}", ("champion", "Version 1")),
    "mlflow_version": ("mlflow", f"#/models/{MODEL}/versions/1", ("mlops_lab.gate", "passed")),
    "feast_service": ("feast", "p/{project}/feature-service/as_known", ("as_known", "airport_weather")),
}
#: By product: the part of a window, 1200 by 760 pixels, that is shown. MLflow's list of pages is left out.
SEEN = {
    "mlflow": {"x": 198, "y": 0, "width": 1002, "height": 760},
    "feast": {"x": 0, "y": 0, "width": 1200, "height": 760},
}


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@contextmanager
def serving(command: Sequence[str | Path], port: int, folder: Path, health: str = "") -> Iterator[str]:
    """The address of a server while it runs; it and what it started are gone afterwards."""
    address = f"http://127.0.0.1:{port}/"
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "FEAST_USAGE": "False"}
    quiet["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    log = folder / f"{Path(command[0]).name}-{port}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            list(command), stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True, env=quiet
        )
        try:
            _wait(process, address + health, log)
            yield address
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            log.unlink(missing_ok=True)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            if urllib.request.urlopen(address, timeout=5).status == 200:  # noqa: S310  our own server
                return
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"no answer at {address}: {log.read_text('utf-8', 'replace')[-1500:]}")
        time.sleep(0.5)


@contextmanager
def servers(home: Path, folder: Path) -> Iterator[dict[str, str]]:
    """MLflow's and Feast's own user interfaces over a home folder, by name."""
    beside, mlflow_port, feast_port = Path(sys.executable).parent, free_port(), free_port()
    mlflow = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(mlflow_port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{(home / 'mlflow.db').absolute().as_posix()}",
        "--default-artifact-root", (home / "mlartifacts").absolute().as_uri(),
    ]  # fmt: skip
    repository = next((home / "feast").rglob("feature_store.yaml")).parent
    feast = [beside / "feast", "-c", repository, "ui", "--host", "127.0.0.1", "--port", str(feast_port)]
    with serving(mlflow, mlflow_port, folder, "health") as one, serving(feast, feast_port, folder) as other:
        yield {"mlflow": one, "feast": other}


@contextmanager
def browser() -> Iterator[Any]:
    """A page of a real browser, 1200 by 760 pixels."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        yield chromium.new_page(viewport={"width": 1200, "height": 760})
        chromium.close()


def look(page: Any, address: str, path: str, words: Sequence[str]) -> None:
    """Open a page and wait until every word is visible."""
    page.goto(address + path)
    for word in words:
        page.get_by_text(word).first.wait_for(state="visible", timeout=1000 * PATIENCE)
    shut = page.get_by_role("button", name="Close", exact=True)
    if shut.count():  # MLflow's Assistant: a conversation beside the page, which takes a quarter of it
        shut.click()
        shut.wait_for(state="detached")


def project_of(home: Path) -> str:
    """What Feast calls the repository of a home folder."""
    text = next((home / "feast").rglob("feature_store.yaml")).read_text("utf-8")
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("project:"))


def main(home: Path, folder: Path) -> int:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    with servers(home, folder) as addresses, browser() as page:
        for name, (server, path, words) in PAGES.items():
            look(page, addresses[server], path.format(project=project_of(home)), words)
            image = Image.open(BytesIO(page.screenshot(clip=SEEN[server]))).convert("RGB").quantize(128)
            image.save(folder / f"{name}.png", optimize=True)
            print(f"{name}: {', '.join(words)} are there")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
