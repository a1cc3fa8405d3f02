"""A copy of the real workflows in which one defect can be planted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Copy:
    """The repository's `.github` in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / ".github", root / ".github")
        (root / ".git").mkdir()  # by which jactionlint knows a repository

    def plant(self, path: str, old: str, new: str) -> None:
        """Replace the first `old` in a file below `.github`; it must be there, or the test would prove nothing."""
        file = self.root / ".github" / path
        text = file.read_text("utf-8")
        assert old in text, f"{path} does not hold {old!r} any more: plant another defect"
        file.write_text(text.replace(old, new, 1), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)
