"""A JupyterLab and a Chromium for the tests of a module; without Chromium those tests are skipped, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_lab import Browser, find_chromium


@pytest.fixture(scope="module")
def browser_over() -> Iterator[Callable[[Path], Browser]]:
    """`browser_over(folder)`: a browser over that folder of notebooks, one a module.

    Not one a session: Playwright's event loop runs in this thread while it lives, and no other test could have its own.
    """
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(Browser.over(folder))
