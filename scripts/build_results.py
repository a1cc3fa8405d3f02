"""Write the small tables that the dashboard and the playground show, from scenes of the real pipeline.

    python scripts/build_results.py            write mlops_lab/teaching/classroom/results/
    python scripts/build_results.py --check    write nothing; say what differs

Training takes half a minute, and a teacher's page must stand at once; so what it shows is measured here and shipped.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import ArtifactStore
from mlops_lab.pipeline.dag import list_runs
from mlops_lab.pipeline.flights import MODEL_NAME, canary_traffic, get_json
from mlops_lab.teaching.classroom import break_it, find_fault
from mlops_lab.teaching.classroom.results import FOLDER
from mlops_lab.teaching.classroom.scene import scene_home

__all__ = ["build", "main"]

_DAYS = 10


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


def measured_bytes(home: Path) -> bytes:
    """The table of measurements, from the home folder of the scene `leak`."""
    runs, found = list_runs(home, dag_id="flights"), {}
    for run in runs:
        one = get_json(ArtifactStore(home), run.result("evaluate")["measured"])
        found[str(run.params["features"])] = {
            "metrics": {name: round(value, 4) for name, value in sorted(one["metrics"].items())},
            "champion": one["champion"],
            "data": one["data"],
            "holdout": one["holdout"],
        }
    # Both are judged against the version in Production: the honest one, measured on the same flights.
    champion = {name: value for name, value in found["as_known"]["metrics"].items() if name.startswith("served.")}
    for one in found.values():
        one["champion"] = champion
    return (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()


def canary_bytes(home: Path) -> bytes:
    """The table of traffic, from the home folder of the scene `bad-canary`; minutes, and thousandths of a chance."""
    clock = FakeClock("2013-03-20")
    with closing(Registry(home, clock=clock)) as registry:
        first, honest, leaking = (registry.get_model_version(MODEL_NAME, number) for number in (1, 2, 3))
    answers: dict[str, Any] = {}
    for name, challenger, champion in (("daily_averages", leaking, honest), ("as_known", honest, first)):
        frame = canary_traffic(challenger, champion, days=_DAYS, at=clock.now(), home=home, clock=clock)
        answers[name] = {who: (frame[who] * 1000).round().astype(int).tolist() for who in ("challenger", "champion")}
    start = parse_utc("2013-03-20")
    minutes = {name: ((frame[name] - start) // timedelta(minutes=1)).tolist() for name in ("at", "known_at")}
    table = {
        "start": start.isoformat(),
        "key": frame["key"].tolist(),
        **minutes,
        "truth": frame["truth"].tolist(),
        "answers": answers,
    }
    return (json.dumps(table, separators=(",", ":")) + "\n").encode()


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
