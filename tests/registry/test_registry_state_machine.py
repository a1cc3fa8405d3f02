"""Does the registry do, over any sequence of calls, what a plain dictionary does?"""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import IllegalMove, NotAllowed
from mlops_lab.models.registry import GateReport, Registry, RuleResult
from mlops_lab.models.tracking import Tracker

LEGAL = {
    "None": {"Staging", "Archived"},
    "Staging": {"Production", "Archived"},
    "Production": {"Archived"},
    "Archived": {"Staging"},
}
STAGES = sorted(LEGAL)
VERSION = st.integers(1, 5)


class RegistryMachine(RuleBasedStateMachine):
    """Every call is made to the registry and to the model below; both must answer alike."""

    @initialize(requires_approval=st.booleans())
    def open(self, requires_approval):
        self.home = tempfile.mkdtemp()
        self.clock = FakeClock()
        self.tracker = Tracker(self.home, clock=self.clock)
        self.registry = Registry(self.home, clock=self.clock)
        self.registry.set_policy("late", requires_approval=requires_approval)
        self.policy = requires_approval
        # The model: stage, standing report (verdict, champion, number) and approval of each version; the reigns.
        self.stage: dict[int, str] = {}
        self.evidence: dict[int, tuple[bool, int | None, int] | None] = {}
        self.approval: dict[int, tuple[str, int] | None] = {}
        self.reigns: list[int] = []
        self.production: int | None = None
        self.told: list[tuple[object, int | None]] = []
        self.alias: int | None = None
        self.champion: int | None = None
        self.verdict: dict[int, bool] = {}
        self.answer: dict[int, str] = {}
        self.reports = 0

    def teardown(self):
        if hasattr(self, "registry"):
            self.registry.close()
            self.tracker.close()
            shutil.rmtree(self.home)

    def _tick(self):
        self.clock.advance(timedelta(minutes=1))

    def _note(self):
        self.told.append((self.clock.now(), self.production))

    @rule()
    def register(self):
        if len(self.stage) == 5:
            return
        self._tick()
        number = len(self.stage) + 1
        artifact = self.tracker.artifacts.put_bytes(bytes([number]))
        run = self.tracker.log_run("train", metrics={"auc": 0.7}, params={"n": number}, artifact=artifact, author="ada")

        version = self.registry.register_model(run, "late")

        assert version.version == number
        self.stage[number], self.evidence[number], self.approval[number] = "None", None, None

    def _report(self, number, passed, champion):
        self.reports += 1
        result = RuleResult("floor", passed, self.reports, 0.0, "numbered, so that no two are alike")
        return GateReport(
            name="late",
            version=number,
            artifact=self.registry.get_model_version("late", number).artifact,
            results=(result,),
            champion=champion,
            holdout="sha256:" + "0" * 64,
            metrics={"auc": 0.7},
            evaluated_at=self.clock.now(),
        )

    @precondition(lambda self: self.stage)
    @rule(number=VERSION, passed=st.sampled_from([True, True, True, False]), fresh=st.sampled_from([True, True, False]))
    def evaluate(self, number, passed, fresh):
        if number not in self.stage:
            return
        self._tick()
        champion = self.production if fresh else 99

        self.registry.record_gate_report(self._report(number, passed, champion))

        self.evidence[number] = (passed, champion, self.reports)
        self.verdict[number] = passed

    def _reason_against(self, number):
        """Why may this version not go to Production, or None: the rules told a second time."""
        evidence, approval = self.evidence[number], self.approval[number]
        if evidence is None or not evidence[0] or evidence[1] != self.production:
            return "evidence"
        if self.policy and approval != ("approved", evidence[2]):
            return "approval"
        return None

    def _moved(self, number, target):
        source = self.stage[number]
        self.stage[number] = target
        if target == "Production":
            if self.production is not None:
                self.stage[self.production] = "Archived"
                self.alias = None if self.alias == self.production else self.alias
            if self.champion in (None, number):
                self.champion = number
            else:
                self.alias = number
            if self.reigns[-1:] != [number]:
                self.reigns.append(number)
            self.production = number
        elif source == "Production":
            self.production = self.champion = None
            self.alias = None if self.alias == number else self.alias
        if (source, target) == ("Archived", "Staging"):
            self.evidence[number] = self.approval[number] = None
        self._note()

    @precondition(lambda self: self.stage)
    @rule(number=VERSION, to=st.sampled_from(STAGES))
    def move(self, number, to):
        target = to  # hypothesis keeps the word target for itself
        if number not in self.stage:
            return
        self._tick()
        legal = target in LEGAL[self.stage[number]]
        against = self._reason_against(number) if target == "Production" else None

        if not legal:
            with pytest.raises(IllegalMove):
                self.registry.transition_stage("late", number, target, actor="ada", why="x")
        elif against:
            with pytest.raises(NotAllowed):
                self.registry.transition_stage("late", number, target, actor="ada", why="x")
        else:
            assert self.registry.transition_stage("late", number, target, actor="ada", why="x").stage == target
            self._moved(number, target)

    @precondition(lambda self: self.stage)
    @rule(number=VERSION)
    def promote(self, number):
        if self.stage.get(number) not in {"None", "Staging"}:
            return
        self._tick()
        report = self._report(number, True, self.production)
        self.evidence[number] = (True, self.production, self.reports)
        self.verdict[number] = True
        if self.stage[number] == "None":
            self.stage[number] = "Staging"

        if self._reason_against(number):
            with pytest.raises(NotAllowed) as caught:
                self.registry.promote(report, actor="ada", why="x")
            rejected = self.approval[number] is not None and self.approval[number][0] == "rejected"
            assert caught.value.waiting is not rejected  # who was told no waits for nothing
        else:
            before = self.production
            assert self.registry.promote(report, actor="ada", why="x").archived_version == before
            self._moved(number, "Production")

    @precondition(lambda self: self.stage)
    @rule(number=VERSION, answer=st.sampled_from(["approve", "approve", "reject", "self"]))
    def approve(self, number, answer):
        evidence = self.evidence.get(number)
        if not evidence or not evidence[0]:
            return
        self._tick()
        self.registry.request_approval("late", number, requested_by="bot", why="x")
        state, of = self.approval[number] or ("none", 0)
        if (state, of) != ("approved", evidence[2]):
            state = "pending"

        if answer == "reject":
            self.registry.reject("late", number, by="ada")
            self.answer[number] = "reject"
            state = "rejected"
        elif answer == "self" or state == "approved":
            with pytest.raises(NotAllowed):
                self.registry.approve("late", number, by="Ada" if answer == "self" else "grace")
        else:
            self.registry.approve("late", number, by="grace")
            self.answer[number] = "approve"
            state = "approved"
        self.approval[number] = (state, evidence[2])

    @rule()
    def rollback(self):
        self._tick()
        below = self.reigns[:-1] if self.production else self.reigns
        back = below[-1] if below else None
        approved = self.answer.get(back) == "approve" or not self.policy

        if not self.stage or not below or not self.verdict[back] or not approved:
            with pytest.raises((NotAllowed, LookupError)):
                self.registry.rollback("late", actor="ada", why="x")
            return
        assert self.registry.rollback("late", actor="ada", why="x").version == below[-1]
        if self.production:
            self.stage[self.production] = "Archived"
            self.reigns.pop()
            self.alias = None if self.alias == self.production else self.alias
        self.production = self.champion = self.reigns[-1]
        self.stage[self.production] = "Production"
        self._note()

    @precondition(lambda self: self.stage)
    @rule(number=VERSION)
    def point_the_challenger(self, number):
        if number in self.stage:
            self.registry.set_alias("late", "challenger", number)
            self.alias = number

    @precondition(lambda self: self.stage)
    @rule(number=VERSION)
    def finish_the_rollout(self, number):
        if number in self.stage:
            self.registry.record_event(
                "late", number, action="rollout_finished", actor="bot", why="x", details={"serving": "champion"}
            )
        if number in self.stage and number == self.production:
            self.champion = number
            self.alias = None if self.alias == number else self.alias

    @rule()
    def open_again(self):
        self.registry.close()

    @invariant()
    def both_say_the_same(self):
        if not hasattr(self, "registry"):
            return
        found = self.registry.search()
        aliases = {alias: each.version for each in found for alias in each.aliases}
        below = self.reigns[:-1] if self.production else self.reigns
        expected = {"champion": self.champion, "previous": below[-1] if below else None, "challenger": self.alias}
        assert {each.version: each.stage for each in found} == self.stage
        assert sum(each.stage == "Production" for each in found) <= 1
        assert aliases == {alias: version for alias, version in expected.items() if version is not None}
        assert self.registry.verify() == len(self.registry.history())

    @invariant()
    def the_past_is_as_it_was(self):
        if not hasattr(self, "registry"):
            return
        for moment, production in self.told[-3:]:
            found = self.registry.production_at("late", moment)
            assert (None if found is None else found.version) == production


RegistryMachine.TestCase.settings = settings(
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
)
TestRegistryAgainstADictionary = RegistryMachine.TestCase
