"""A sample of the mutants of what decides, each held against the tests that reach it.

python scripts/sample_mutants.py 30            30 of each module, of those that [tool.mutmut] in pyproject.toml names
python scripts/sample_mutants.py 30 lineage 7  of the modules with this word in their path only, drawn with seed 7
python scripts/mutation_table.py --alive       the table, and which of them live

mutmut makes the mutants. Its own `mutmut run` starts pytest anew for each; here pytest collects once, and each mutant
is tried in a process that is forked from there. The quickest tests go first. What only a process of its own reaches, no
test is known to reach: then all are asked.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mutmut import __main__ as mutmut
from mutmut.mutation import trampoline
from mutmut.state import state

SEED = 14
SLOW = 4.0  # seconds: tests of crowds, kills and whole nights are not asked
LIMIT = 60  # seconds of one mutant; a test that hangs has noticed it


def written() -> None:
    """Write all mutants into the folder `mutants`, as the first step of `mutmut run` does."""
    os.environ["MUTANT_UNDER_TEST"] = "mutant_generation"
    Path("mutants").mkdir(exist_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.store_lines_covered_by_tests()
    mutmut.create_mutants(min(os.cpu_count() or 1, 4))


def drawn(root: Path, count: int, word: str, seed: int) -> dict[Path, list[str]]:
    """Which mutants are tried, by the file in which mutmut keeps what became of them."""
    found = {}
    for path in sorted(root.rglob("*.meta")):
        names = sorted(json.loads(path.read_text("utf-8"))["exit_code_by_key"])
        if names and word in path.as_posix():
            draw = random.Random(f"{seed} {path.name}")  # noqa: S311  the same ones each time
            found[path] = sorted(draw.sample(names, min(count, len(names))))
    return found


class Asking:
    """Instead of running the tests once, asks them about one mutant after the other."""

    def __init__(self, mutants: dict[Path, list[str]]) -> None:
        self.mutants = mutants
        self.failed = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The examples in the docstrings of mutants are no tests."""
        items[:] = [item for item in items if "mutmut" not in item.name]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test that fails, also before or after its body, has noticed the mutant."""
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Find out what reaches what, then try the mutants; True: there is nothing left to run."""
        session.config.pluginmanager.unregister(name="terminalreporter")  # a dot for each test of each mutant
        self._forked("stats", lambda: self._look(session.items), limit=3600)
        reach: dict[str, set[str]] = {}
        seconds = {}
        for node, took, functions in map(json.loads, Path("reached.jsonl").read_text("utf-8").splitlines()):
            seconds[node] = took
            for function in functions:
                reach.setdefault(function, set()).add(node)
        quick = [item for item in session.items if seconds.get(item.nodeid, SLOW) < SLOW]
        quick.sort(key=lambda item: seconds[item.nodeid])
        for path, names in self.mutants.items():
            ended = {}
            for name in names:
                tests = reach.get(name.partition("__mutmut_")[0])
                asked = [item for item in quick if not tests or item.nodeid in tests]
                ended[name] = self._forked(name, lambda asked=asked: any(map(self._noticed, asked)))
            told = json.loads(path.read_text("utf-8"))
            told["exit_code_by_key"] = dict.fromkeys(told["exit_code_by_key"]) | ended
            path.write_text(json.dumps(told), encoding="utf-8")
            print(path.stem, sum(code == 0 for code in ended.values()), "of", len(names), "live", flush=True)
        return True

    def _look(self, items: list[pytest.Item]) -> None:
        """Write down which functions each test reaches; one that fails as it is has nothing to say of a mutant."""
        with Path("reached.jsonl").open("w", encoding="utf-8") as file:
            for item in items:
                state()._stats.clear()
                began = time.monotonic()
                if not self._noticed(item):
                    print(json.dumps([item.nodeid, time.monotonic() - began, sorted(state()._stats)]), file=file)

    def _noticed(self, item: pytest.Item) -> bool:
        self.failed = False
        # Nothing follows it, so that what it shares with others is put away and made anew for the next.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return self.failed

    def _forked(self, name: str, function: Any, *, limit: float = LIMIT) -> int:
        """Call the function with this mutant in place, in a process of its own; 0 where nothing was noticed."""
        if not (child := os.fork()):
            os.setpgid(0, 0)
            os.environ["MUTANT_UNDER_TEST"] = name
            trampoline.get_mutant_under_test = lambda: (
                name
            )  # asked at every call, and much quicker than the environment
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1), os.dup2(quiet, 2)
            os._exit(int(bool(function())))
        until = time.monotonic() + limit
        while time.monotonic() < until:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return int(status != 0)
            time.sleep(0.01)
        os.killpg(child, 9)
        os.waitpid(child, 0)
        return -9


def main(words: list[str]) -> int:
    """Try the sample and write down what became of it; what was written before is forgotten."""
    count, word, seed = int(words[0]), words[1] if words[1:] else "", int(words[2]) if words[2:] else SEED
    written()
    told = mutmut.config()
    os.chdir("mutants")
    os.environ["MUTANT_UNDER_TEST"] = ""
    sys.path[:0] = [str(Path.cwd()), "scripts"]
    options = ["-q", "--tb=no", *told.pytest_add_cli_args, *told.pytest_add_cli_args_test_selection]
    return int(pytest.main(options, plugins=[Asking(drawn(Path(), count, word, seed))]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
