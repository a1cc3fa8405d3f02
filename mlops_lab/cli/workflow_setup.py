"""What a repository on GitHub has to be told before the course's workflows do all they can, and whether it was."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import MARKS, Stopped, print_json, wrapped
from mlops_lab.cli.options import json_option

_SECONDS = 30
_ROLLOUT = "rollout.yml (its job {})"
_VARIABLES = {
    "production-kubernetes": "KUBE_NAMESPACE PROMETHEUS_URL IMAGE_REPOSITORY GKE_CLUSTER GKE_LOCATION "
    "GCP_WORKLOAD_IDENTITY_PROVIDER GCP_SERVICE_ACCOUNT",
    "production-sagemaker": "SAGEMAKER_ENDPOINT SAGEMAKER_IMAGE SAGEMAKER_ROLE_ARN MODEL_BUCKET AWS_ROLE_ARN "
    "AWS_REGION",
    "production-vertex": "VERTEX_ENDPOINT IMAGE_REPOSITORY GCP_WORKLOAD_IDENTITY_PROVIDER GCP_SERVICE_ACCOUNT",
}
_MORE = {
    "production-sagemaker": "; SAGEMAKER_IMAGE is a repository in ECR, without a tag, into which AWS_ROLE_ARN may push"
}
#: Asks `gh api PATH`; None where GitHub knows nothing of it (404).
Ask = Callable[[str], Any]


@dataclass(frozen=True)
class Setting:
    """One setting: who needs it, what works without it, where it is set, and how GitHub is asked for it."""

    name: str
    needed_by: str
    without: str
    where: str
    check: Callable[[Ask, str], str]  # why it is not set; the empty string when it is


def _scheduled(ask: Ask, repo: str) -> str:
    flows = (ask(f"repos/{repo}/actions/workflows?per_page=100") or {}).get("workflows", [])
    off = [flow["path"].rpartition("/")[2] for flow in flows if flow["state"] != "active"]
    return f"switched off: {', '.join(off)}" if off else "" if flows else "there are no workflows, or Actions is off"


def _environment(ask: Ask, repo: str, name: str) -> Any:
    found = (ask(f"repos/{repo}/environments?per_page=100") or {}).get("environments", [])
    return next((each for each in found if each["name"] == name), None)


def _reviewers(ask: Ask, repo: str) -> str:
    found = _environment(ask, repo, "production")
    if found is None:
        return "there is no environment production"
    rules = {rule["type"]: rule for rule in found.get("protection_rules", [])}
    needed = rules.get("required_reviewers")
    if needed is None or not needed.get("reviewers"):
        return "production has no required reviewers"
    return "" if needed.get("prevent_self_review") else "whoever starts a run may review it himself"


def _branch(ask: Ask, repo: str) -> str:
    found = _environment(ask, repo, "production")
    if found is None:
        return "there is no environment production"
    return "" if found.get("deployment_branch_policy") else "every branch may deploy to production"


def _protected(ask: Ask, repo: str) -> str:
    branch = (ask(f"repos/{repo}") or {}).get("default_branch", "main")
    rules = {rule["type"] for rule in ask(f"repos/{repo}/rules/branches/{branch}") or []}
    return (
        "" if {"pull_request", "required_status_checks"} <= rules else f"anybody with write access can push to {branch}"
    )


def _pages(ask: Ask, repo: str) -> str:
    found = ask(f"repos/{repo}/pages")
    if found is None:
        return "Pages is off"
    return "" if found.get("build_type") == "workflow" else "Pages is built from a branch, not by a workflow"


def _attestations(ask: Ask, repo: str) -> str:
    about = ask(f"repos/{repo}") or {}
    off = any(
        each["name"] == "ATTESTATIONS" and each["value"] == "off" for each in _variables(ask, f"repos/{repo}/actions")
    )
    if about.get("visibility") == "public":
        return "the variable ATTESTATIONS says off" if off else ""
    return (
        ""
        if off
        else "a private repository has them on Enterprise Cloud only; else set the variable ATTESTATIONS to off"
    )


def _variables(ask: Ask, place: str) -> list[dict[str, Any]]:
    return list((ask(f"{place}/variables?per_page=100") or {}).get("variables", []))


def _gpu(ask: Ask, repo: str) -> str:
    names = {each["name"] for each in _variables(ask, f"repos/{repo}/actions")}
    return "" if "GPU_RUNNER" in names else "the variable GPU_RUNNER is not set"


def _cloud(environment: str) -> Callable[[Ask, str], str]:
    def check(ask: Ask, repo: str) -> str:
        if _environment(ask, repo, environment) is None:
            return f"there is no environment {environment}"
        names = {each["name"] for each in _variables(ask, f"repos/{repo}/environments/{environment}")}
        missing = [name for name in _VARIABLES[environment].split() if name not in names]
        return f"variables that are not set: {', '.join(missing)}" if missing else ""

    return check


_GITLAB = """\
## Elsewhere: the parts are commands

Nothing above is bound to GitHub but the waiting for a reviewer. The same night on GitLab, where a protected environment
asks for the reviewer:

```yaml
default:
  image: python:3.12
  before_script: [pip install --constraint constraints.txt .]
train:
  script:
    - python -m mlops_lab run --date "$(date +%F)" --author "$GITLAB_USER_LOGIN" --param approval=true || [ $? = 3 ]
  artifacts: {paths: [.mlops_lab]}
promote:
  script: [python -m mlops_lab registry approve --by "$GITLAB_USER_LOGIN", python -m mlops_lab registry promote]
  environment: production
  when: manual
```
"""

SETTINGS = (
    Setting(
        "workflows are on", "everything that runs by itself", "everything runs by hand, from the Actions tab",
        "Actions, `I understand my workflows`; then `gh workflow enable train.yml`: a fork's schedules are off",
        _scheduled,
    ),
    Setting(
        "production: reviewers, no self-review", "promote.yml",
        "training, gate and report work; promotion stops with `Nobody agreed`",
        "Settings, Environments, production: required reviewers, prevent self-review (public, or Team)", _reviewers,
    ),
    Setting(
        "production: default branch only", "promote.yml", "a branch with another promote.yml could ask for Production",
        "Settings, Environments, production: deployment branches and tags, Selected: main", _branch,
    ),
    Setting(
        "the default branch is protected", "the gate, as a rule that nobody skips",
        "the gate reports, and a push goes past it",
        "Settings, Rules: require a pull request and the status checks `passed` and `train and gate`", _protected,
    ),
    Setting(
        "attestations", "train.yml, promote.yml, rollout.yml",
        "the digest alone says which bytes were judged, not who made them",
        "on for public repositories; elsewhere the variable ATTESTATIONS: off", _attestations,
    ),
    Setting(
        "Pages", "lite.yml", "its job `publish` says so and is green",
        "Settings, Pages, Source: GitHub Actions", _pages,
    ),
    Setting(
        "GPU_RUNNER", "train.yml (its job gpu)", "the matrix has the CPU alone",
        "Settings, Variables: the label of a runner with a GPU and CUDA 12", _gpu,
    ),
    *(
        Setting(
            name, _ROLLOUT.format(name.partition("-")[2]), "the job says that there is no target, and is green",
            f"Settings, Environments, {name}: the variables {', '.join(_VARIABLES[name].split())}; the cloud trusts "
            f"the OIDC subject `repo:OWNER/NAME:environment:{name}`{_MORE.get(name, '')}", _cloud(name),
        )
        for name in _VARIABLES
    ),
)  # fmt: skip


@click.command()
@click.option("--check", is_flag=True, help="Ask GitHub, by `gh`, what is set.")
@click.option("--repo", metavar="OWNER/NAME", help="Which repository.  [default: the one of this folder]")
@click.option("--markdown", is_flag=True, help="The page docs/github.md.")
@json_option
def setup(check: bool, repo: str | None, markdown: bool, as_json: bool) -> int:
    r"""Say what a repository has to be told before the workflows do all they can, and what works without.

    \b
    Examples:
      mlops-lab workflow setup
      mlops-lab workflow setup --check
      mlops-lab workflow setup --check --repo ada/project
    \b
    Exit codes: 0 all is set, or nothing was asked; 1 something is not set
    """
    if markdown:
        click.echo(_page(), nl=False)
        return 0
    found: dict[str, str | None] = {setting.name: None for setting in SETTINGS}
    if check:
        name = repo or _gh("repo", "view", "--json", "nameWithOwner", "--jq", ".nameWithOwner").strip()
        found = {setting.name: setting.check(_ask, name) for setting in SETTINGS}
    missing = [name for name, why in found.items() if why]
    told = {"exit_code": int(bool(missing)), "settings": [
        {"name": each.name, "needed_by": each.needed_by, "without": each.without, "where": each.where,
         "is_set": None if found[each.name] is None else not found[each.name], "why": found[each.name] or ""}
        for each in SETTINGS
    ]}  # fmt: skip
    if not as_json:
        for each in SETTINGS:
            why = found[each.name]
            lines = [f"{MARKS[None if why is None else not why]} {each.name}{f': {why}' if why else ''}"]
            if why != "":
                lines += [f"    for {each.needed_by}; without it {each.without}", f"    set it: {each.where}"]
            click.echo("\n".join(map(wrapped, lines)))
    if missing:
        raise Stopped(f"{len(missing)} of {len(SETTINGS)} are not set.", code=1, kind="NotSet", told=told)
    if as_json:
        print_json(told)
    return 0


def _page() -> str:
    rows = [f"| {each.name} | {each.needed_by} | {each.without} | {each.where} |" for each in SETTINGS]
    return "\n".join(
        [
            "# The workflows in a repository of your own",
            "",
            "A fork trains, judges and reports at once. What needs a setting, what works without it, where it is set;",
            "`mlops-lab workflow setup --check` asks GitHub which are there; with `--markdown` it writes this page.",
            "",
            "| setting | needed by | without it | where |",
            "|---|---|---|---|",
            *rows,
            "",
            _GITLAB,
        ]
    )


def _ask(path: str) -> Any:
    try:
        return json.loads(_gh("api", path))
    except _NotThereError:
        return None


class _NotThereError(InvalidData):
    """GitHub answers 404."""


def _gh(*words: str) -> str:
    program = shutil.which("gh")
    if program is None:
        raise InvalidData("--check asks GitHub by `gh`, which is not installed: https://cli.github.com.")
    try:
        command = [program, *words]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidData(f"gh {words[0]} did not answer: {type(error).__name__}.") from None
    if done.returncode == 0:
        return done.stdout
    if "HTTP 404" in done.stderr:
        raise _NotThereError(f"gh {' '.join(words)}: not found")
    last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
    raise InvalidData(f"gh {words[0]} failed: {last[:200]} (see: gh auth status)")
