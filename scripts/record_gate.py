"""How does the gate look while it turns red? The picture at the front door, filmed on the real dashboard.

    python scripts/record_gate.py [notebooks/teacher/pictures/gate.webp]

A browser opens the dashboard, chooses the leaking model, goes back, raises the floor and resets, by keyboard; a picture
of every step is kept as long as a reader needs for it. With --flow the drawing of the pipeline is written too.
"""

from __future__ import annotations

import argparse
import io
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser_lab import find_chromium
from dashboard import command, variables

__all__ = ["film", "main"]

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "notebooks" / "teacher" / "pictures"
SIZE = (1120, 760)
PATIENCE = 180  # seconds


@contextmanager
def dashboard() -> Iterator[str]:
    """The dashboard on a port that is free; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = command(["--no-browser", f"--port={port}"], kernels=1)
    server = subprocess.Popen(words, env=variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/nothing", timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def film(page: Any) -> Iterator[tuple[bytes, int]]:
    """Pictures of the gate's panel, each with the milliseconds for which it stays."""
    from playwright.sync_api import expect

    verdict, keyboard = page.get_by_role("status"), page.keyboard

    def shot(stay: int) -> tuple[bytes, int]:
        return page.screenshot(), stay

    page.locator(".lab-tabs button", has_text="Gate").click()
    expect(verdict).to_contain_text("the gate passed")
    model = page.get_by_role("combobox", name="model")
    floor = page.get_by_role("slider", name="floor", exact=True)
    yield shot(5000)
    model.select_option("daily_averages")
    expect(verdict).to_contain_text("the gate refused")
    yield shot(6000)
    model.select_option("as_known")
    expect(verdict).to_contain_text("the gate passed")
    yield shot(3000)
    floor.focus()
    for _ in range(18):
        before = floor.get_attribute("aria-valuetext")
        keyboard.press("ArrowRight")
        expect(floor).not_to_have_attribute("aria-valuetext", before)
        value = str(floor.get_attribute("aria-valuetext"))
        expect(verdict).to_contain_text(f"below the floor of {value}" if float(value) > 0.734 else "passed")
        yield shot(350)
    yield shot(5000)
    page.get_by_role("button", name="Reset").click()
    expect(verdict).to_contain_text("the gate passed")
    yield shot(3500)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("to", nargs="?", type=Path, default=PICTURES / "gate.webp", help="the animated picture")
    parser.add_argument("--flow", action="store_true", help="also write flow.svg beside it")
    options = parser.parse_args(arguments)
    if find_chromium() is None:
        print("no Chromium on this machine; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    from PIL import Image
    from playwright.sync_api import sync_playwright

    options.to.parent.mkdir(parents=True, exist_ok=True)
    with dashboard() as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium())
        page = chromium.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        page.locator(".lab-panel").wait_for()
        page.add_style_tag(content=".jp-MarkdownOutput { display: none; } * { caret-color: transparent !important; }")
        shots = list(film(page))
        chromium.close()
    frames = [Image.open(io.BytesIO(data)).convert("RGB") for data, _ in shots]
    stays = [stay for _, stay in shots]
    frames[0].save(options.to, save_all=True, append_images=frames[1:], duration=stays, loop=0, quality=60, method=6)
    seconds = sum(stays) / 1000
    print(f"{options.to}: {len(frames)} pictures, {seconds:.0f} s, {options.to.stat().st_size / 1e6:.2f} MB")
    if options.flow:
        from mlops_lab.pipeline.flights import flights_pipeline
        from mlops_lab.teaching.drawing import draw_dag

        print(draw_dag(flights_pipeline()).save(options.to.with_name("flow.svg")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
