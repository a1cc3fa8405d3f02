"""The records that the registry hands out and takes in, and the names, numbers, stages and people in them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.display import facts, html_table, one_line, shown
from mlops_lab.base.errors import InvalidData, UnknownName, expect_fields
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.base.storage import check_name, jsonable
from mlops_lab.models.tracking.runs import check_text

STAGES = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True, repr=False)
class ModelVersion:
    """One numbered version of a registered model. `artifact` is its bytes' fingerprint, `created` is in UTC.

    >>> from mlops_lab.base.clock import parse_utc
    >>> ModelVersion(name="late", version=2, run_id="1f", artifact="sha256:" + "0" * 64, stage="Production",
    ...              aliases=("champion",), tags={}, author="ada", created=parse_utc("2014-01-01"), description="")
    ModelVersion(late v2, Production, aliases: champion)
    """

    name: str
    version: int
    run_id: str
    artifact: str
    stage: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    author: str
    created: datetime
    description: str

    def __repr__(self) -> str:
        aliases = f", aliases: {', '.join(self.aliases)}" if self.aliases else ""
        return f"ModelVersion({self.name} v{self.version}, {self.stage}{aliases})"

    def row(self) -> dict[str, str]:
        """The version as one line of a table."""
        described = {"author": self.author, "description": self.description}
        return {
            "version": f"{self.name} v{self.version}",
            "stage": self.stage,
            "aliases": ", ".join(self.aliases),
            **described,
        }

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        tags = ", ".join(f"{key}: {value}" for key, value in sorted(self.tags.items()))
        return shown(repr(self), facts(f"{self.name} v{self.version}", {**self.row(), "version": "", "tags": tags}))


@dataclass(frozen=True, repr=False)
class Approval:
    """A request to let one version into Production, and what became of it. Times are UTC.

    It is bound to the version's artifact and gate report: another report is another question. `state` is `pending`,
    `approved`, `rejected`, `expired` (nobody answered, or nobody used the answer, in time) or `outdated`.
    """

    name: str
    version: int
    artifact: str
    report: str
    state: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    why: str
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str = ""

    def __repr__(self) -> str:
        answer = f", answered by {self.decided_by}" if self.decided_by else ""
        return f"Approval({self.name} v{self.version}: {self.state}, asked by {self.requested_by}{answer})"

    def row(self) -> dict[str, str]:
        """The request as one line of a table."""
        what, answered = f"{self.name} v{self.version}", self.decided_by or ""
        return {"version": what, "state": self.state, "asked by": self.requested_by, "answered by": answered}


@dataclass(frozen=True, repr=False)
class Promotion:
    """A version that has just become the Production version, by promotion or by rollback.

    `archived_version` is the one it replaced, None if there was none; `event` is the number of its line in the history.

    >>> from mlops_lab.base.clock import parse_utc
    >>> Promotion(name="late", version=2, artifact="sha256:0", archived_version=1, actor="ada", why="better",
    ...           at=parse_utc("2014-01-01"), event=9)
    Promotion(late v2 in Production, v1 archived)
    """

    name: str
    version: int
    artifact: str
    archived_version: int | None
    actor: str
    why: str
    at: datetime
    event: int

    def __repr__(self) -> str:
        former = f", v{self.archived_version} archived" if self.archived_version is not None else ""
        return f"Promotion({self.name} v{self.version} in Production{former})"


@dataclass(frozen=True, repr=False)
class Event:
    """One line of the history: who did what, when, why, from where to where. `hash` covers all of it and `prev_hash`.

    `str(event)` is the line for people.

    >>> from mlops_lab.base.clock import parse_utc
    >>> event = Event(seq=3, at=parse_utc("2014-01-01"), actor="ada", action="transition_stage", name="late",
    ...     version=2, source="None", target="Staging", why="ready", details={}, prev_hash="sha256:0", hash="sha256:1")
    >>> event
    Event(3, transition_stage late v2)
    >>> print(event)
    3  2014-01-01T00:00:00Z  late v2  transition_stage  None → Staging  by ada: ready
    """

    seq: int
    at: datetime
    actor: str
    action: str
    name: str
    version: int | None
    source: str | None
    target: str | None
    why: str
    details: dict[str, Any] = field(default_factory=dict)
    prev_hash: str = ""
    hash: str = ""

    def __repr__(self) -> str:
        return f"Event({self.seq}, {self.action} {self._subject})"

    def __str__(self) -> str:
        move = f"  {self.source or '-'} → {self.target or '-'}" if self.source or self.target else ""
        why = f": {self.why}" if self.why.strip() else ""
        moment = self.at.isoformat().replace("+00:00", "Z")
        line = f"{self._subject}  {self.action}{move}  by {self.actor}{why}"
        return f"{self.seq}  {moment}  {one_line(line)}"

    def row(self) -> dict[str, str]:
        """The event as one line of a table."""
        move = f"{self.source or '-'} → {self.target or '-'}" if self.source or self.target else ""
        when, what = f"{self.at:%Y-%m-%d %H:%M}", {"of": self._subject, "action": self.action, "move": move}
        return {"#": str(self.seq), "when (UTC)": when, **what, "by": self.actor, "why": one_line(self.why)}

    @property
    def _subject(self) -> str:
        return self.name if self.version is None else f"{self.name} v{self.version}"

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON values, `hash` left out: this is what the hash is made of."""
        return {key: value for key, value in vars(self).items() if key != "hash"} | {"at": self.at.isoformat()}


@dataclass(frozen=True, repr=False)
class RuleResult:
    """What one rule of the gate found: its figure, the bound it was held against, and one sentence.

    >>> RuleResult(rule="floor", passed=False, figure=0.64, bound=0.65, sentence="AUC 0.64 is below 0.65.")
    RuleResult(floor: failed, AUC 0.64 is below 0.65.)

    Raises:
        InvalidData: passed is not a plain true or false, or a rule passed on a figure that is no finite number.
    """

    rule: str
    passed: bool
    figure: float | None
    bound: float | None
    sentence: str

    def __post_init__(self) -> None:
        # A truthy NaN or text must never count as a pass; NumPy's own bool is taken as the bool it is.
        if type(self.passed).__name__ in {"bool_", "bool"}:
            object.__setattr__(self, "passed", bool(self.passed))
        else:
            raise InvalidData(f"rule {self.rule!r} passed={self.passed!r}; say True or False.")
        expect_fields(self, rule=str, sentence=str)
        for name in ("figure", "bound"):
            object.__setattr__(self, name, _number(getattr(self, name)))
        if self.passed and self.figure is not None and not math.isfinite(self.figure):
            raise InvalidData(f"rule {self.rule!r} cannot have passed on the figure {self.figure}.")

    def __repr__(self) -> str:
        return f"RuleResult({self.rule}: {'passed' if self.passed else 'failed'}, {self.sentence})"


@dataclass(frozen=True, repr=False)
class GateReport:
    """The gate's verdict on one version: every rule's result, and the evidence that it is bound to.

    Attributes: `name`, `version`, `artifact` (the fingerprint of the bytes that were judged), `results` (none is no
    pass), `champion` (the version it was compared with, or None), `holdout` (the fingerprint of the rows both were
    scored on), `evaluated_at`, `policy` (the fingerprint of the demands), `metrics` (the figures that were judged,
    which must be those of the version's run), `champion_metrics`, `data` (the fingerprint of the data's profile).

    >>> report = GateReport(name="late", version=2, artifact="sha256:" + "0" * 64, champion=1,
    ...     results=(RuleResult("floor", True, 0.70, 0.65, "AUC 0.70 is at least 0.65."),),
    ...     holdout="sha256:" + "1" * 64, evaluated_at=parse_utc("2014-01-01"))
    >>> report, report.passed, GateReport.from_dict(report.to_dict()) == report
    (GateReport(late v2: passed 1 of 1 rules), True, True)
    """

    name: str
    version: int
    artifact: str
    results: tuple[RuleResult, ...]
    champion: int | None
    holdout: str
    evaluated_at: datetime
    policy: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    champion_metrics: Mapping[str, float] | None = None
    data: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluated_at", to_utc(self.evaluated_at))
        expect_fields(self, name=str, version=int, artifact=str, champion=int | None, holdout=str, policy=str, data=str)
        expect_fields(self, metrics=Mapping, champion_metrics=Mapping | None)
        if not isinstance(self.results, Sequence):
            raise InvalidData(f"the results of a gate report are a list, not {type(self.results).__name__}.")
        object.__setattr__(self, "results", tuple(self.results))
        if not all(isinstance(result, RuleResult) for result in self.results):
            raise InvalidData("the results of a gate report are RuleResult objects.")

    def __repr__(self) -> str:
        verdict, told = ("passed", self.results) if self.passed else ("failed", self.failures)
        return f"GateReport({self.name} v{self.version}: {verdict} {len(told)} of {len(self.results)} rules)"

    @property
    def passed(self) -> bool:
        """Did every rule pass, and was there at least one?"""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def failures(self) -> tuple[RuleResult, ...]:
        """The results that did not pass."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the whole report: an approval is bound to it."""
        return fingerprint_json(self.to_dict())

    @property
    def measurement(self) -> str:
        """The fingerprint of what was measured, of which model, against whom and on which rows; "" of nothing."""
        return fingerprint_json(self._measured()) if self.metrics else ""

    def _measured(self) -> dict[str, Any]:
        names = ("champion", "holdout", "metrics", "champion_metrics", "data")
        values = {"artefact": self.artifact} | {name: getattr(self, name) for name in names}  # see STATE
        found: dict[str, Any] = jsonable(values, nan="text")
        return found

    def table(self) -> str:
        """The verdict for people: one line a rule with its mark, its name and its sentence."""
        wide = max((len(result.rule) for result in self.results), default=0)
        lines = [f"{'✓' if r.passed else '✗'} {r.rule:<{wide}}  {r.sentence}" for r in self.results]
        return "\n".join([f"{self.name} v{self.version}: {'passed' if self.passed else 'refused'}", *lines])

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        title, state = f"{self.name} v{self.version}", "passed" if self.passed else "refused"
        rows = [("passed" if each.passed else "failed", each.rule, each.sentence) for each in self.results]
        return shown(
            self.table(), html_table(title, ("", "rule", "what was found"), rows, state=state, kind="lab-told")
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; a figure that is not finite is written as the text nan, inf or -inf."""
        return {
            "name": self.name,
            "version": self.version,
            "artefact": self.artifact,
            "passed": self.passed,
            "results": [jsonable(result, nan="text") for result in self.results],
            "champion": self.champion,
            "holdout": self.holdout,
            "evaluated_at": self.evaluated_at.isoformat(),
            "policy": self.policy,
        } | (self._measured() | {"measurement": self.measurement} if self.metrics else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GateReport:
        """The report that `to_dict` wrote.

        Raises:
            InvalidData: something is missing, or the verdict contradicts the results.
        """
        try:
            results = tuple(
                RuleResult(**{**result, "figure": _spoken(result["figure"]), "bound": _spoken(result["bound"])})
                for result in values["results"]
            )
            derived = {"passed", "measurement"}
            given: dict[str, Any] = {key: value for key, value in values.items() if key not in derived}
            given["artifact"] = given.pop("artefact")
            for name in {"metrics", "champion_metrics"} & set(given):
                given[name] = given[name] and {key: _spoken(each) for key, each in given[name].items()}
            report = cls(**{**given, "results": results, "evaluated_at": parse_utc(values["evaluated_at"])})
            passed = values["passed"]
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidData(f"this is no gate report: {type(error).__name__}: {error}.") from None
        if passed is not report.passed:
            raise InvalidData(f"a gate report that says passed={passed} while its results say {report.passed}.")
        if values.get("measurement", "") != report.measurement:
            raise InvalidData("a gate report whose figures are not the ones that its measurement was made of.")
        return report


def _spoken(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _number(value: Any) -> float | None:
    try:
        if isinstance(value, str):
            raise TypeError
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidData(f"{value!r} is not a figure; give a number or None.") from None


#: What shows as nothing or as a blank, beyond the categories of _UNSEEN_KINDS: the empty braille pattern, and Unicode's
#: Default_Ignorable_Code_Point (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
_UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0}.union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000)
)
_UNSEEN_KINDS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_ALPHABETS = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}  # whose letters look like each other's
#: With which a word of another alphabet is written: what Unicode calls highly restrictive
#: (https://www.unicode.org/reports/tr39/#Restriction_Level_Detection).
_COMPANIONS = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"}
#: Letters that read as Latin ones, in small or as capitals, so that a whole name can be written in them.
_LOOK_ALIKE = str.maketrans(
    "авекмнорстухѕіјԁԛԝһӏѵүαβεζηικμνορτυχıɑɡꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ",
    "abekmhopctyxsijdqwhlvyabezhikmnoptyxiagabcdefghijklmnoprstuvwxyz",
)

#: Aliases that follow Production, so that nobody can point them past the gate.
FOLLOWING = ("champion", "previous")


def check_alias(alias: Any) -> None:
    """Is this an alias? `latest` and `v3` are kept free, as in MLflow, because they would read as versions.

    The names of the stages are kept free too: whoever asks for `late@production` expects what passed the gate.

    Raises:
        InvalidData: the alias is none of these.
    """
    check_name(alias, "an alias")
    assert isinstance(alias, str)  # noqa: S101  it was checked; this tells the type checker
    if alias != alias.lower() and alias.lower() in FOLLOWING:
        raise InvalidData(f"{alias!r} cannot be an alias: it would be taken for {alias.lower()!r}.")
    if alias.lower() == "latest" or re.fullmatch(r"[vV]?[0-9]+", alias):
        raise InvalidData(f"{alias!r} cannot be an alias: it reads as a version; choose a word such as challenger.")
    if alias.title() in STAGES:
        raise InvalidData(f"{alias!r} cannot be an alias: it reads as a stage, and follows none; choose another word.")


def check_version(version: Any) -> int:
    """The version number itself.

    Raises:
        InvalidData: no whole number from 1 up.
    """
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**63:
        raise InvalidData(f"{version!r} is not a version; versions are whole numbers from 1 up.")
    return version


def check_stage(stage: Any) -> str:
    """The stage itself.

    Raises:
        UnknownName: there is no such stage.
    """
    if stage not in STAGES:
        raise UnknownName("stage", stage, STAGES)
    return str(stage)


def check_person(name: Any, what: str) -> str:
    """Who did it, without the blanks around.

    Raises:
        InvalidData: no text, or nothing that can be seen; or signs that cannot be seen, or letters of two alphabets,
            which would make another person of the same one.
    """
    text = check_text(name, what, needed=True).strip()
    odd = [sign for sign in text if ord(sign) in _UNSEEN or unicodedata.category(sign) in _UNSEEN_KINDS]
    if odd:
        raise InvalidData(f"{what} holds a sign that nobody can see: {unicodedata.name(odd[0], ascii(odd[0]))}.")
    words = [_alphabets(word) for word in unicodedata.normalize("NFKC", text).split()]
    for mixed in (set().union(*words) & _ALPHABETS, *(word - _COMPANIONS for word in words)):
        if len(mixed) > 1:
            raise InvalidData(f"{what} mixes letters that look alike, {' and '.join(sorted(mixed)).lower()}: {text!a}.")
    return text


def _alphabets(word: str) -> set[str]:
    letters = [sign for sign in word if unicodedata.category(sign) in {"Lu", "Ll", "Lt", "Lo"}]
    return {unicodedata.name(sign, "").partition(" ")[0] for sign in letters}


def check_somebody(name: Any, what: str) -> str:
    """Somebody who can be asked and held to it: `unknown` is what the history writes where nobody is known.

    Raises:
        InvalidData: it is nobody.
    """
    text = check_person(name, what)
    if not is_somebody(text):
        raise InvalidData(f"{what} is needed, and {text!r} is nobody.")
    return text


def is_somebody(name: str) -> bool:
    """Does this name anybody, an author for example?"""
    return folded(name) not in {"", "unknown"}


def same_person(name: str, others: Iterable[str | None]) -> bool:
    """Is this name one of the others, however it is written?

    Case, blanks, look-alike widths and letters and invisible ones do not make another person. (Nobody proves who they
    are to a library: a real approval comes from where people log in, such as a GitHub environment.)
    """
    return folded(name) in {folded(other) for other in others if other}


def folded(name: str) -> str:
    """The name as two spellings of it are compared."""
    # Folding can bring out letters to fold and widths to narrow, hence twice.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).casefold()
    text = text.translate(_LOOK_ALIKE)
    return "".join(
        sign
        for sign in text
        if not sign.isspace() and unicodedata.category(sign) not in _UNSEEN_KINDS and ord(sign) not in _UNSEEN
    )
