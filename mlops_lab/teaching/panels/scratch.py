"""Where does a panel keep a registry that is thrown away after every picture?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  a disk in memory where there is one: what is thrown away need not be safe


class Scratch:
    """A home folder that is prepared once, and of which every picture gets a fresh copy."""

    def __init__(self, prepare: Callable[[Path], object]) -> None:
        with _folder() as home:
            prepare(home)
            self._files = {
                path.relative_to(home): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()
            }

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A copy to work in, gone afterwards."""
        with _folder() as home:
            for name, data in self._files.items():
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                (home / name).write_bytes(data)
            yield home


@contextmanager
def _folder() -> Iterator[Path]:
    place = str(_MEMORY) if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="panel-") as folder:
        yield Path(folder)
