"""Write the small tables that the dashboard and the playground show, from scenes of the real pipeline.

    python scripts/build_results.py            write mlops_lab/teaching/classroom/results/
    python scripts/build_results.py --check    write nothing; say what differs

Training takes half a minute, and a teacher's page must stand at once; so what it shows is measured here and shipped.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from pathlib import Path

from mlops_lab.teaching.classroom import break_it, find_fault
from mlops_lab.teaching.classroom.results import FOLDER, canary_bytes, measured_bytes
from mlops_lab.teaching.classroom.scene import scene_home

__all__ = ["build", "main"]


def build() -> dict[str, bytes]:
    """What the files say, by name, as the scenes `leak` and `bad-canary` make them."""
    with tempfile.TemporaryDirectory() as home:
        leak, canary = find_fault("leak"), find_fault("bad-canary")
        for fault in (leak, canary):
            break_it(fault, home)
        return {
            "measured.json": measured_bytes(scene_home(leak, home)),
            "canary.json.gz": canary_bytes(scene_home(canary, home)),
        }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    options = parser.parse_args(arguments)
    differ = []
    for name, data in build().items():
        path = Path(FOLDER) / name
        packed = path.suffix == ".gz"
        stored = path.read_bytes() if path.exists() else b""
        if stored and (gzip.decompress(stored) if packed else stored) == data:  # packing differs between machines
            continue
        differ.append(name)
        if not options.check:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
            print(f"{name}: written, {len(data):,} bytes")
    if options.check and differ:
        print(f"differs from what the scenes measure: {', '.join(differ)}", file=sys.stderr)
    return int(options.check and bool(differ))


if __name__ == "__main__":
    sys.exit(main())
