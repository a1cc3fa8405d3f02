"""Real servers, under load all the time: nothing is lost, nobody hears a version that was taken back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.base.storage import lock_file
from mlops_lab.delivery.live import Journal, Servers, live_rollout
from mlops_lab.delivery.server import load_served_model
from mlops_lab.models.registry import Registry
from mlops_lab.models.rollout import RolloutPolicy, deployment_of, rollout

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed with signals")
POLICY = RolloutPolicy(weights=(20, 50, 100), min_labels=20, margin=0.02)
HEAVY = pytest.mark.skipif(
    "serving" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines serving runs it",
)


def decided(deployment):
    """What was decided on what; sums of many rows differ in their last digit from those of one."""
    return [(step.until, step.weight, step.decision, step.labels, step.why) for step in deployment.steps]


def go(promotion, home, traffic, **settings):
    settings = {"policy": POLICY, "servers": Servers(home, "late", seconds=20.0), **settings}
    return asyncio.run(live_rollout(promotion, home, traffic=traffic, **settings))


def replayed(home, promotion, traffic, scratch):
    """The same rollout in this process, without a server."""
    import shutil

    shutil.copytree(home, scratch)
    said = {}
    for name, version in (("champion", 1), ("challenger", 2)):
        model = load_served_model(home, "late", version=version, archived=True)
        columns = {
            one: [
                ("" if row[one] is None else str(row[one]))
                if kind == "text"
                else (float("nan") if row[one] is None else float(row[one]))
                for row in traffic["row"]
            ]
            for one, kind in model.kinds.items()
        }
        said[name] = model.predict(columns)
    return rollout(promotion, Registry(scratch), traffic=traffic.assign(**said), policy=POLICY)


@HEAVY
def test_a_good_challenger_climbs_while_everybody_asks_as_the_replay_says_and_a_killed_server_loses_nothing(
    home, promotion, traffic, tmp_path
):
    expected = replayed(home, promotion, traffic, tmp_path / "replayed")
    servers, told = Servers(home, "late", seconds=20.0), []

    def tell(line):
        told.append(line)
        if line.startswith("2013-12-02"):  # the load goes on while the champion dies
            os.kill(servers.pids[1], signal.SIGKILL)

    found = go(promotion, home, traffic, servers=servers, on_event=tell)

    assert decided(found.deployment) == decided(expected)
    assert found.deployment.state == expected.state == "finished"
    assert (found.lost, found.after_the_end) == (0, 0)
    assert found.sent == sum(found.by_version.values())
    assert found.restarts == {1: 1}
    assert Registry(home).verify()


@pytest.mark.nightly
def test_a_bad_challenger_is_taken_back_under_load_and_not_heard_again(home, promotion, traffic):
    upside_down = traffic.assign(truth=np.where(traffic["truth"] == 1, 0, 1))  # the world is not what it learnt
    policy = RolloutPolicy(weights=(50, 100), min_labels=30, margin=0.0, patience_days=3)

    servers, told = Servers(home, "late", seconds=20.0), []

    def tell(line):
        told.append(line)
        if line.startswith("the router listens"):  # and the champion dies while it is asked
            asyncio.get_running_loop().call_later(0.5, os.kill, servers.pids[1], signal.SIGKILL)

    found = go(promotion, home, upside_down, policy=policy, servers=servers, on_event=tell)

    assert found.deployment.state == "rolled_back"
    assert found.by_version[2] > 30
    assert (found.lost, found.after_the_end) == (0, 0)
    assert found.restarts == {1: 1}
    assert Registry(home).get_production("late").version == 1


@HEAVY
def test_killed_in_the_middle_the_same_call_goes_on_and_asks_nothing_twice(home, promotion, traffic, tmp_path):
    expected = replayed(home, promotion, traffic, tmp_path / "replayed")
    script = textwrap.dedent(
        f"""
        import asyncio, os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import importlib.util
        spec = importlib.util.spec_from_file_location("here", {str(Path(__file__).parent / "conftest.py")!r})
        here = importlib.util.module_from_spec(spec); spec.loader.exec_module(here)
        from pathlib import Path
        from mlops_lab.delivery.live import Servers, live_rollout
        from mlops_lab.models.registry import Registry
        from mlops_lab.models.rollout import RolloutPolicy, promotion_of
        home = Path({str(home)!r})
        def tell(line):
            print(line, flush=True)
            if line.startswith("2013-12-03"):
                os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(live_rollout(promotion_of(Registry(home), "late"), home, traffic=here.traffic.__wrapped__(),
            policy={POLICY!r}, servers=Servers(home, "late", seconds=20.0), on_event=tell))
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    half = deployment_of(Registry(home), promotion)
    asked = {entry.key for entry in Journal(home, promotion.event)}

    found = go(promotion, home, traffic)

    assert killed.returncode == -9, killed.stderr
    assert half is not None
    assert (half.state, len(half.steps)) == ("running", 2)
    assert len(asked) >= 2 * 150
    assert found.sent + len(asked) <= len(traffic)
    assert (found.deployment.state, decided(found.deployment)) == (expected.state, decided(expected))
    assert (found.lost, found.after_the_end) == (0, 0)


def test_servers_that_ended_for_good_say_why(tmp_path):
    class Ended(Servers):
        """Servers that are ready once, and then end without a word that anybody else would know."""

        async def _run(self, version):
            if version in self.restarts:
                self._last[version] = "no home folder"
            else:
                self._ready[version].set()

    async def go_on():
        async with Ended(tmp_path, "late") as servers:
            await servers.start(1, 2)
            return await asyncio.wait_for(servers.all_gone(), 30), servers.restarts

    told, restarts = asyncio.run(go_on())

    assert told == "v1: no home folder; v2: no home folder"
    assert restarts == {1: 3, 2: 3}


class Dead(Servers):
    """Servers of which none starts again once both were ready."""

    async def start(self, *versions):
        await super().start(*versions)
        for version in versions:
            self._run = self._gone
            os.kill(self.pids[version], signal.SIGKILL)

    async def _gone(self, version):
        self._last[version] = "no home folder"


@pytest.mark.nightly
def test_when_both_servers_are_gone_for_good_the_command_ends_with_the_reason(home, promotion, traffic):
    with pytest.raises(InvalidData, match="no server is left: v1: no home folder; v2: no home folder"):
        go(promotion, home, traffic, servers=Dead(home, "late", seconds=20.0))

    assert deployment_of(Registry(home), promotion).state == "running", "the same call goes on"


def test_of_two_who_roll_out_the_same_version_the_second_is_told_at_once(home, promotion, traffic):
    with (
        lock_file(home / "rollouts" / f"{promotion.event}.lock"),
        pytest.raises(NotAllowed, match="another process is rolling it out"),
    ):
        go(promotion, home, traffic)

    assert deployment_of(Registry(home), promotion) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["late"], "the trace of the run that made it is gone", id="no-trace"),
        pytest.param(["late", "1"], "replaces nobody", id="a-first-model"),
        pytest.param(["other"], "no registered model 'other'", id="no-model"),
    ],
)
def test_on_the_command_line_what_cannot_be_rolled_out_is_one_line(home, words, said, capsys):
    from mlops_lab.cli import main

    code = main(["rollout", "live", *words, "--home", str(home)])

    err = capsys.readouterr().err
    assert code == 1
    assert said in err
    assert len(err.splitlines()) == 1
