"""The version of the code that made something."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import mlops_lab
from mlops_lab.base.fingerprint import fingerprint_bytes


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version of the package and, where it lies in a git clone, the commit; else a fingerprint of its source.

    The clone's own files are read, so that neither the git program nor its rules about owners are needed.

    >>> code_version().startswith("mlops-lab ")
    True
    """
    package = Path(mlops_lab.__file__).parent
    commit = _commit(package.parent / ".git")
    if commit is None:
        files = sorted(path for path in package.rglob("*.py"))
        found = fingerprint_bytes(b"".join(path.read_bytes() for path in files))
        commit = found.removeprefix("sha256:")[:12] + " (source)"
    return f"mlops-lab {mlops_lab.__version__} {commit}"


def _commit(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            reference = head.removeprefix("ref: ")
            loose = git / reference
            if loose.is_file():
                head = loose.read_text().strip()
            else:  # git packs references away from time to time
                lines = (git / "packed-refs").read_text().splitlines()
                head = next((line.split()[0] for line in lines if line.endswith(f" {reference}")), "")
    except OSError:
        return None
    return head if re.fullmatch(r"[0-9a-f]{40,64}", head) else None
