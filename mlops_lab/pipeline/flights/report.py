"""What should a person read before agreeing to a model?"""

from __future__ import annotations

from mlops_lab.models.registry import GateReport, ModelVersion
from mlops_lab.models.tracking import Run

__all__ = ["model_report"]

_FIGURES = ("roc_auc", "average_precision", "accuracy", "brier", "log_loss", "calibration_error")


def model_report(version: ModelVersion, run: Run, report: GateReport | None) -> str:
    """A version in Markdown: the verdict with a reason for every rule, the figures, and what it was made of.

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
    for name in _FIGURES:
        offline, served = (run.metrics.get(f"{kind}.{name}", float("nan")) for kind in ("offline", "served"))
        lines.append(f"| {name} | {offline:.3f} | {served:.3f} |")
    slices = sorted(name.split(".")[2] for name in run.metrics if name.startswith("served.roc_auc."))
    lines += [
        f"| roc_auc at {_cell(part)} | {run.metrics.get(f'offline.roc_auc.{part}', float('nan')):.3f} "
        f"| {run.metrics[f'served.roc_auc.{part}']:.3f} |"
        for part in slices
    ]
    made = {
        "features": run.params.get("feature_service"),
        "model": run.params.get("model"),
        "learnt from": f"{run.params.get('train_rows'):,} flights, {run.params.get('train_from')} to "
        f"{run.params.get('train_until')}",
        "examined on": f"{run.params.get('holdout_rows'):,} flights",
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
