"""What must be true of a repository's workflows that no linter sees?

    python scripts/workflow_policies.py [FOLDER]

Prints one line for each finding, `file:line: sentence [policy]`; the exit code is 1 when there is one. Run it beside
jactionlint and zizmor, not in their place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workflow_commands import ignored_exit_code, unknown_command
from workflow_concurrency import cancelled_deployment, deadlock, is_deployment
from workflow_files import Finding, WorkflowFile, action_files, local_path, workflow_files

__all__ = ["POLICIES", "findings"]

_KEYS = re.compile(
    r"(?i)aws[-_]?(access[-_]?key[-_]?id|secret[-_]?access[-_]?key)|credentials_json|service_account_key|"
    r"google_credentials|gcp_sa_key|azure_credentials|client[-_]secret|^creds$|kube_?config"
)
_SECRET = re.compile(r"\$\{\{[^}]*\bsecrets\b")
# Asked by digest, who signed it and from which branch; and only then handed on, by that digest.
_VERIFIED = re.compile(
    r'gh attestation verify "oci://(?P<image>\$\w+@\$\w+)"(?=(?:.|\\\n)*--source-ref)(?=(?:.|\\\n)*--signer-workflow)'
    r'[\s\S]*^ *echo "image=(?P=image)" >> "\$GITHUB_OUTPUT"',
    re.MULTILINE,
)
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}|docker://.+@sha256:[0-9a-f]{64}")


def summary(file: WorkflowFile) -> Iterator[Finding]:
    """A job that sums up the others runs always, needs them all, and accepts nothing but success."""
    for job in file.jobs:
        text = repr([dict(step) for step in job.steps]) + repr(job.data.get("outputs"))
        if "needs.*.result" not in text:
            continue
        if not re.search(r"\balways\(\)", job.condition):
            sentence = f"{job.name} is skipped when a job fails, and a skipped check counts as passed: if: always()"
            yield file.finding(job, "summary-job", sentence)
        left_out = [other.name for other in file.jobs if other.name not in (job.name, *job.needs)]
        if left_out:
            yield file.finding(job, "summary-job", f"{job.name} does not look at: {', '.join(left_out)}")
        asked = set(re.findall(r"contains\(\s*needs\.\*\.result\s*,\s*\W*(\w+)", text))
        if "failure" in asked and not {"cancelled", "skipped"} <= asked:
            missing = " and ".join(sorted({"cancelled", "skipped"} - asked))
            yield file.finding(job, "summary-job", f"{job.name} takes {missing} for a success")


def cloud_keys(file: WorkflowFile) -> Iterator[Finding]:
    """Clouds are entered with OIDC, not with a key that lives in a secret."""
    places = [file.data, *(job.data for job in file.jobs), *(step for _, step in file.steps())]
    for place in places:
        for key in ("env", "with", "secrets"):
            given = place.get(key)
            for name, value in given.items() if isinstance(given, Mapping) else []:
                if _KEYS.search(str(name)) and _SECRET.search(str(value)):
                    sentence = f"{name} is a key without an end; log in with OIDC (id-token: write) in its place"
                    yield Finding(file.path, given.lc.key(name)[0] + 1, "cloud-keys", sentence)


def environment(file: WorkflowFile) -> Iterator[Finding]:
    """A job that deploys names its environment, where the reviewers and the secrets are."""
    for job in file.jobs:
        if is_deployment(job) and not job.data.get("environment"):
            yield file.finding(job, "no-environment", f"{job.name} deploys without an environment: nobody can hold it")


def missing_local(file: WorkflowFile) -> Iterator[Finding]:
    """The actions and workflows of the repository that a file uses are there."""
    for place in [*(job.data for job in file.jobs), *(step for _, step in file.steps())]:
        uses = str(place.get("uses", ""))
        path = local_path(uses)
        here = file.root / (path or "")
        if path and not (here.is_file() or any((here / f"action.{end}").is_file() for end in ("yml", "yaml"))):
            yield Finding(file.path, place.lc.key("uses")[0] + 1, "missing-local", f"{uses} is not in this repository")


def pinned(file: WorkflowFile) -> Iterator[Finding]:
    """Somebody else's action is named by the commit, with its version beside it for people."""
    lines = (file.root / file.path).read_text("utf-8").splitlines()
    for place in [*(job.data for job in file.jobs), *(step for _, step in file.steps())]:
        uses = str(place.get("uses", ""))
        if not uses or local_path(uses):
            continue
        line = place.lc.key("uses")[0] + 1
        if not _PINNED.fullmatch(uses):
            yield Finding(file.path, line, "unpinned-action", f"{uses} is not pinned to a commit: a tag can move")
        elif not re.search(r"#\s*v?\d", lines[line - 1]):
            yield Finding(file.path, line, "unpinned-action", f"{uses} does not say its version behind a #")


def privileged(file: WorkflowFile) -> Iterator[Finding]:
    """No pull_request_target: a stranger's pull request must not meet our secrets."""
    if "pull_request_target" in file.events:
        on = file.data["on"]
        line = on.lc.key("pull_request_target")[0] + 1 if isinstance(on, Mapping) else file.data.lc.key("on")[0] + 1
        yield Finding(file.path, line, "pull-request-target", "pull_request_target gives strangers our secrets")


def secret_conditions(file: WorkflowFile) -> Iterator[Finding]:
    """No `if` asks a secret: GitHub refuses it in jobs, and a log shows the answer."""
    for place in [*(job.data for job in file.jobs), *(step for _, step in file.steps())]:
        if re.search(r"\bsecrets\s*[.\[]", str(place.get("if", ""))):
            yield Finding(file.path, place.lc.key("if")[0] + 1, "secret-in-if", "an `if` cannot ask for a secret")


def rights(file: WorkflowFile) -> Iterator[Finding]:
    """A workflow starts with no rights at all and a shell that sees a failing pipe."""
    if not file.jobs:
        return
    if file.data.get("permissions") != {}:
        yield file.finding(file.data, "top-permissions", "the file does not begin with `permissions: {}`")
    if any("run" in step and file.shell(job, step) != "bash" for job, step in file.steps() if "run" in step):
        yield file.finding(file.data, "default-shell", "without `shell: bash` a failing pipe is a success")


def expressions_in_scripts(file: WorkflowFile) -> Iterator[Finding]:
    """No `${{ }}` in a `run:`; what it gives would be read as shell."""
    for _, step in file.steps():
        if "${{" in str(step.get("run", "")):
            yield Finding(
                file.path, step.lc.key("run")[0] + 1, "expression-in-run", "pass ${{ }} by env, not in the text"
            )


def caches(file: WorkflowFile) -> Iterator[Finding]:
    """A workflow that deploys restores no cache, which another branch may have filled."""
    if not any(map(is_deployment, file.jobs)):
        return
    for _, step in file.steps():
        uses, given = str(step.get("uses", "")), step.get("with") or {}
        asked: Any = given.get("cache", given.get("enable-cache", "setup-uv@" in uses))
        if uses.startswith("actions/cache") or asked not in (False, "false", ""):
            yield file.finding(step, "cache-in-release", "a release job must not restore a cache: it can be poisoned")


def images(file: WorkflowFile) -> Iterator[Finding]:
    """An image is delivered by the digest whose builder GitHub was asked about, after it was asked."""
    for job in file.jobs:
        verified: set[str] = set()
        for step in job.steps:
            path = local_path(str(step.get("uses", "")))
            image = str((step.get("with") or {}).get("image", "")).replace(" ", "")
            if path and image and image not in verified:
                sentence = (
                    f"{job.name} delivers {image}, which no step before has verified by digest, signer and branch"
                )
                yield file.finding(step, "unverified-image", sentence)
            for action in (each for each in action_files(file.root) if Path(each.path).parent.as_posix() == path):
                value = str((action.data.get("outputs") or {}).get("image", {}).get("value", "")).replace(" ", "")
                for _, inner in action.steps():
                    if value == _image_of(inner) and _VERIFIED.search(str(inner.get("run", ""))):
                        verified.add(_image_of(step))


def _image_of(step: Mapping[str, Any]) -> str:
    return f"${{{{steps.{step.get('id')}.outputs.image}}}}"


#: Each looks at one file and gives what it finds there.
POLICIES: tuple[Callable[[WorkflowFile], Iterator[Finding]], ...] = (
    summary,
    cloud_keys,
    environment,
    cancelled_deployment,
    deadlock,
    missing_local,
    ignored_exit_code,
    unknown_command,
    pinned,
    privileged,
    secret_conditions,
    rights,
    expressions_in_scripts,
    caches,
    images,
)


def findings(root: Path) -> list[Finding]:
    """Everything that the policies find in the workflows and composite actions below a folder."""
    files = [*workflow_files(root), *action_files(root)]
    return sorted({finding for file in files for policy in POLICIES for finding in policy(file)})


def main(arguments: list[str]) -> int:
    root = Path(arguments[0] if arguments else Path(__file__).resolve().parents[1])
    found = findings(root)
    print("\n".join(map(str, found)) or f"{len(workflow_files(root))} workflows, {len(POLICIES)} policies, no finding")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
