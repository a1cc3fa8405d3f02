"""A sample of the mutants that mutmut has made, each held against the tests that reach it; quicker than all of them.

mutmut run NAME                              one mutant: writes mutants/ and notes which test reaches which function
python scripts/sample_mutants.py 30            30 of each module
python scripts/sample_mutants.py 30 lineage 7  of the modules with this word in their path only, drawn with seed 7
python scripts/mutation_table.py --alive     the table, and which of them live

Every mutant is tried in a process of its own, forked from one that has imported the package; the quickest tests go
first. The parent must not have run pytest: a second collection in one process escapes the backslashes in the ids of
tests once more and does not find them, with exit code 4; that is why mutmut alone cannot run registry and DAG. Some
ids are not found by their own words either: then all cases of their test functions are asked.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

SEED = 14
SLOW = 2.0  # seconds: tests of crowds, kills and whole nights are not asked
NOT_FOUND = 4  # how pytest ends when it does not know the id of a test
LIMIT = 60  # seconds of one mutant; a test that hangs has noticed it


def drawn(root: Path, count: int, word: str, seed: int) -> dict[Path, list[str]]:
    """Which mutants are tried, by the file in which mutmut keeps what became of them."""
    found = {}
    for path in sorted(root.rglob("*.meta")):
        names = sorted(json.loads(path.read_text("utf-8"))["exit_code_by_key"])
        if names and word in path.as_posix():
            draw = random.Random(seed)  # noqa: S311  the same ones each time
            found[path] = sorted(draw.sample(names, min(count, len(names))))
    return found


def tried(name: str, tests: list[str]) -> int:
    """How the tests ended with this mutant in place, as mutmut writes it down."""
    if not tests:
        return 33
    code = _asked(name, tests)
    return _asked(name, list(dict.fromkeys(each.partition("[")[0] for each in tests))) if code == NOT_FOUND else code


def _asked(name: str, tests: list[str]) -> int:
    pid = os.fork()
    if not pid:
        os.environ["MUTANT_UNDER_TEST"] = name
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-W", "default", "-m", "not nightly and not slow"]
        os._exit(int(pytest.main([*options, *tests])))
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return -9


def main(words: list[str]) -> int:
    """Try the sample and write down what became of it; what was written before is forgotten."""
    count, word, seed = int(words[0]), words[1] if words[1:] else "", int(words[2]) if words[2:] else SEED
    os.chdir("mutants")
    sys.path[:0] = [str(Path.cwd()), "scripts"]
    os.environ["MUTANT_UNDER_TEST"] = ""
    stats = json.loads(Path("mutmut-stats.json").read_text("utf-8"))
    seconds, reach = stats["duration_by_test"], stats["tests_by_mangled_function_name"]
    for module in ("hypothesis", "pandas", "sklearn.pipeline", "mlops_lab.models.lineage", "mlops_lab.pipeline.dag"):
        import_module(module)
    for path, names in drawn(Path(), count, word, seed).items():
        ended = {}
        for name in names:
            tests = [each for each in reach.get(name.partition("__mutmut_")[0], []) if seconds.get(each, 0) < SLOW]
            ended[name] = tried(name, sorted(tests, key=lambda each: seconds.get(each, 0)))
        told = json.loads(path.read_text("utf-8"))
        told["exit_code_by_key"] = dict.fromkeys(told["exit_code_by_key"]) | ended
        path.write_text(json.dumps(told), encoding="utf-8")
        print(path.name, sum(code == 0 for code in ended.values()), "of", len(names), "live", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
