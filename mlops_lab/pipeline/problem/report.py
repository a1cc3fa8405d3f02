"""What a person reads before agreeing to a model."""

from __future__ import annotations

from mlops_lab.models.registry import GateReport, ModelVersion
from mlops_lab.models.tracking import Run
from mlops_lab.models.training import METRICS, NUMBER_METRICS


def model_report(
    version: ModelVersion, run: Run, report: GateReport | None, *, metric: str = "roc_auc", noun: str = "flight"
) -> str:
    """A version in Markdown: the verdict with a reason for every rule, the figures, and what it was made of.

    `metric` is the figure that slices are compared by, `noun` what one row is.

    >>> from mlops_lab.base.clock import parse_utc
    >>> day = parse_utc("2014-01-01")
    >>> run = Run("r1", "late", params={"train_rows": 3, "holdout_rows": 1}, started=day, ended=day)
    >>> version = ModelVersion(name="late", version=2, run_id="r1", artefact="sha256:0", stage="None", aliases=(),
    ...                        tags={}, author="ada", created=day, description="")
    >>> print(model_report(version, run, None).splitlines()[0])
    # late v2: not judged
    """
    verdict = "not judged" if report is None else "passed" if report.passed else "refused"
    lines = [f"# {version.name} v{version.version}: {verdict}", ""]
    if report is not None:
        lines += ["| | rule | why |", "|---|---|---|"]
        marks = {True: "✓ pass", False: "✗ fail"}
        lines += [f"| {marks[r.passed]} | {r.rule} | {_cell(r.sentence)} |" for r in report.results]
        lines += [""]
    lines += ["| figure | offline | as served |", "|---|---|---|"]
    known = [*METRICS] if run.params.get("kind") != "regression" else [*NUMBER_METRICS]
    for name in known if metric in known else [metric, *known]:
        offline, served = (run.metrics.get(f"{kind}.{name}", float("nan")) for kind in ("offline", "served"))
        lines.append(f"| {name} | {offline:.3f} | {served:.3f} |")
    slices = sorted(name.split(".")[2] for name in run.metrics if name.startswith(f"served.{metric}."))
    lines += [
        f"| {metric} at {_cell(part)} | {run.metrics.get(f'offline.{metric}.{part}', float('nan')):.3f} "
        f"| {run.metrics[f'served.{metric}.{part}']:.3f} |"
        for part in slices
    ]
    made = {
        "features": run.params.get("feature_service"),
        "model": run.params.get("model"),
        "learnt from": f"{run.params.get('train_rows'):,} {noun}s, {run.params.get('train_from')} to "
        f"{run.params.get('train_until')}",
        "examined on": f"{run.params.get('holdout_rows'):,} {noun}s",
        "training set": run.inputs.get("training_set"),
        "run": run.run_id,
        "artefact": version.artefact,
        "code": run.tags.get("code"),
        "author": version.author,
    }
    lines += ["", "| made of | |", "|---|---|"]
    lines += [f"| {name} | {_cell(str(value))} |" for name, value in made.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that cannot break out of its cell, nor become markup."""
    plain = " ".join(text.split())
    for old, new in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "\\`")):
        plain = plain.replace(old, new)
    return plain
