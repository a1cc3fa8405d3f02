"""The part of requirements.lock that some extras need: each package at one version, by its hashes, for pip and for uv.

    python scripts/locked.py [EXTRA,EXTRA] > locked.txt
    python -m pip install --require-hashes --requirement locked.txt
    python -m pip install --no-deps --no-build-isolation --editable .

pip checks no hash of a folder, so the course itself comes in a second step, built by what the first one installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
MARK = "\n# for: "  # before each package: the extras that need it; `base`: the course, `image`: the server


def requirements(extras: Iterable[str], text: str | None = None) -> str:
    """The requirements of the course with these extras.

    Raises:
        ValueError: requirements.lock holds nothing for an extra.
    """
    blocks = [each.partition("\n") for each in (text or LOCK.read_text("utf-8")).split(MARK)[1:]]
    wanted = {"base", *extras}
    if unknown := wanted - {extra for names, _, _ in blocks for extra in names.split()}:
        raise ValueError(f"requirements.lock holds nothing for the extra {', '.join(sorted(unknown))}")
    return "".join(f"{block.rstrip()}\n" for names, _, block in blocks if wanted & set(names.split()))


if __name__ == "__main__":
    sys.stdout.write(requirements(each for each in ",".join(sys.argv[1:]).replace(",", " ").split()))
