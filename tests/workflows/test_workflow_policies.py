"""The project's own policies: clean on the real files, and each one sees the defect that it is there for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from workflow_files import workflow_files
from workflow_policies import findings

ROOT = Path(__file__).resolve().parents[2]
NEEDS_PASSED = "needs: [house, test, lowest, engines, conda]"
CANARY = 'python -m mlops_lab rollout resume late_flights "$VERSION" --json > rollout.json'
GATE = 'run: python -m mlops_lab gate --name late_flights --version "$VERSION"'
AWS = "          role-to-assume: ${{ vars.AWS_ROLE_ARN }}\n"
RETRY = "- uses: $/.github/actions/course\n"
# (policy, file, what is there, what stands there instead)
DEFECTS = {
    "summary job without always()": ("summary-job", "workflows/ci.yml", "    if: always()\n", ""),
    "summary job with !cancelled()": ("summary-job", "workflows/ci.yml", "if: always()", "if: ${{ !cancelled() }}"),
    "summary job that leaves one out": ("summary-job", "workflows/ci.yml", NEEDS_PASSED, "needs: [house, test, conda]"),
    "summary job that looks for failures only": (
        "summary-job",
        "workflows/ci.yml",
        "RESULTS: ${{ join(needs.*.result, ' ') }}",
        "RESULTS: ${{ contains(needs.*.result, 'failure') && 'failure' || 'success' }}",
    ),
    "AWS keys in place of OIDC": (
        "cloud-keys",
        "workflows/rollout.yml",
        AWS,
        (
            "          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n"
            "          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n"
        ),
    ),
    "Google key in place of OIDC": (
        "cloud-keys",
        "workflows/rollout.yml",
        "          service_account: ${{ vars.GCP_SERVICE_ACCOUNT }}\n",
        "          credentials_json: ${{ secrets.GOOGLE }}\n",
    ),
    "AWS keys in env": (
        "cloud-keys",
        "workflows/rollout.yml",
        "      SAGEMAKER_ENDPOINT: ${{ vars.SAGEMAKER_ENDPOINT }}\n",
        "      SAGEMAKER_ENDPOINT: ${{ vars.SAGEMAKER_ENDPOINT }}\n      AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS }}\n",
    ),
    "promotion without an environment": (
        "no-environment",
        "workflows/promote.yml",
        (
            "    environment:\n      name: production\n      deployment: false # a stage in the registry changes here; "
            "what is deployed, rollout.yml deploys\n"
        ),
        "",
    ),
    "local rollout without an environment": (
        "no-environment",
        "workflows/rollout.yml",
        "    environment: production-local\n",
        "",
    ),
    "cloud rollout without an environment": (
        "no-environment",
        "workflows/rollout.yml",
        "    environment: production-sagemaker\n",
        "",
    ),
    "a deployment inside a composite action without an environment": (
        "no-environment cache-in-release",  # which is fine in CI, and not beside a deployment
        "workflows/ci.yml",
        "      - name: Test with what pyproject.toml allows\n",
        (
            "      - uses: $/.github/actions/deliver\n        with: {target: vertex, weights: '100'}\n"
            "      - name: Test with what pyproject.toml allows\n"
        ),
    ),
    "kubectl apply without an environment": (
        "no-environment cache-in-release",  # which is fine in CI, and not beside a deployment
        "workflows/ci.yml",
        "          python -m nox --session lowest\n",
        "          kubectl apply -f deployment.yaml\n",
    ),
    "a newer rollout cancels the running one": (
        "cancelled-deployment",
        "workflows/rollout.yml",
        "cancel-in-progress: false\n  queue: max",
        "cancel-in-progress: true",
    ),
    "a newer training cancels a promotion": (
        "cancelled-deployment",
        "workflows/train.yml",
        "cancel-in-progress: ${{ github.event_name == 'pull_request' }}",
        "cancel-in-progress: ${{ github.ref == 'refs/heads/main' }}",
    ),
    "a job's own group cancels a deployment": (
        "cancelled-deployment",
        "workflows/rollout.yml",
        "    environment: production-local\n",
        "    environment: production-local\n    concurrency:\n      group: machine\n      cancel-in-progress: true\n",
    ),
    "caller and callee in one group": (
        "concurrency-deadlock",
        "workflows/rollout.yml",
        "group: rollout-production-${{ inputs.target }}",
        "group: Promote-Production",
    ),
    "caller and callee in one computed group": (
        "concurrency-deadlock",
        "workflows/promote.yml",
        "group: promote-production",
        "group: train-${{ github.run_id }}",
    ),
    "a job in the group of its own workflow": (
        "concurrency-deadlock",
        "workflows/rollout.yml",
        "    name: local\n",
        "    name: local\n    concurrency: rollout-production-${{ inputs.target }}\n",
    ),
    "caller's input makes the group the same": (
        "concurrency-deadlock",
        "workflows/rollout.yml",
        "group: rollout-production-${{ inputs.target }}",
        "group: promote-${{ inputs.target == 'vertex' && 'production' || inputs.target }}",
    ),
    "local action that does not exist ($/)": (
        "missing-local",
        "workflows/promote.yml",
        "$/.github/actions/home",
        "$/.github/actions/house",
    ),
    "local action that does not exist (./)": (
        "missing-local",
        "workflows/promote.yml",
        "$/.github/actions/home",
        "./.github/actions/house",
    ),
    "local workflow that does not exist": (
        "missing-local",
        "workflows/train.yml",
        "$/.github/workflows/promote.yml",
        "./.github/workflows/promotion.yml",
    ),
    "gate || true": ("ignored-exit-code", "workflows/promote.yml", GATE, f"{GATE} || true"),
    "gate in a pipe without pipefail": (
        "ignored-exit-code default-shell",
        "workflows/promote.yml",
        GATE,
        f"shell: bash -e {{0}}\n        {GATE} | tee gate.txt",
    ),
    "gate that continues on error": (
        "ignored-exit-code",
        "workflows/promote.yml",
        GATE,
        f"continue-on-error: true\n        {GATE}",
    ),
    "training that forgets its exit code": ("ignored-exit-code", "workflows/train.yml", '          exit "$code"\n', ""),
    "canary that is only asked": (
        "ignored-exit-code",
        "workflows/rollout.yml",
        CANARY,
        f"if {CANARY}; then echo fine; fi",
    ),
    "command that does not exist": ("unknown-command", "workflows/promote.yml", "registry verify", "registry verfy"),
    "family that does not exist": ("unknown-command", "workflows/rollout.yml", "rollout resume", "rollouts resume"),
    "option that does not exist": ("unknown-command", "workflows/train.yml", '--date "$DATE"', '--day "$DATE"'),
    "command in a substitution that does not exist": (
        "unknown-command",
        "workflows/rollout.yml",
        "state=$(python -m mlops_lab rollout status",
        "state=$(python -m mlops_lab rollout state",
    ),
    "action pinned to a tag": (
        "unpinned-action",
        "workflows/ci.yml",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "actions/checkout@v7",
    ),
    "composite action's action pinned to a branch": (
        "unpinned-action",
        "actions/course/action.yml",
        "setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97",
        "setup-python@main",
    ),
    "pin that does not say its version": (
        "unpinned-action",
        "workflows/ci.yml",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
    ),
    "pull_request_target": (
        "pull-request-target",
        "workflows/train.yml",
        "  pull_request:\n",
        "  pull_request_target:\n",
    ),
    "secret in the if of a step": (
        "secret-in-if",
        "workflows/rollout.yml",
        "if: env.SAGEMAKER_ENDPOINT != ''",
        "if: secrets.SAGEMAKER_ENDPOINT != ''",
    ),
    "rights for every job": ("top-permissions", "workflows/train.yml", "permissions: {}", "permissions: write-all"),
    "no permissions at all": ("top-permissions", "workflows/weekly.yml", "permissions: {}\n", ""),
    "runner's default shell": ("default-shell", "workflows/ci.yml", "defaults:\n  run:\n    shell: bash\n", ""),
    "input in the text of a script": (
        "expression-in-run",
        "workflows/train.yml",
        '--features "$FEATURES"',
        "--features ${{ inputs.features }}",
    ),
    "cache in a release": (
        "cache-in-release",
        "workflows/promote.yml",
        RETRY,
        (
            f"{RETRY}      - uses: actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5\n"
            "        with: {path: x, key: y}\n"
        ),
    ),
    "image of a leg that is not verified": (
        "unverified-image",
        "workflows/rollout.yml",
        "image: ${{ steps.image.outputs.image }}",
        "image: ${{ vars.IMAGE_REPOSITORY }}:v${{ inputs.version }}",
    ),
    "image that is verified after its use": (
        "unverified-image",
        "workflows/rollout.yml",
        "id: image\n",
        "id: later\n",
    ),
    "image action that does not verify": (
        "unverified-image",
        "actions/image/action.yml",
        "gh attestation verify",
        "gh attestation download",
    ),
    "image action that verifies the tag": (
        "unverified-image",
        "actions/image/action.yml",
        '/$REPOSITORY@$DIGEST" --repo',
        '/$REPOSITORY:v$VERSION" --repo',
    ),
    "image action that hands on the tag": (
        "unverified-image",
        "actions/image/action.yml",
        "image=$REPOSITORY@$DIGEST",
        "image=$REPOSITORY:v$VERSION",
    ),
    "image of another step than the one that verifies": (
        "unverified-image",
        "actions/image/action.yml",
        "steps.verify.outputs.image",
        "steps.push.outputs.image",
    ),
    "image that any workflow may have built": (
        "unverified-image",
        "actions/image/action.yml",
        "--signer-workflow",
        "--cert-oidc-issuer",
    ),
    "image of any branch": ("unverified-image", "actions/image/action.yml", "--source-ref", "--source-digest"),
    "setup with a cache in a release": (
        "cache-in-release",
        "workflows/promote.yml",
        RETRY,
        "- uses: actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0\n        with: {cache: pip}\n",
    ),
}


def test_the_real_workflows_have_no_finding():
    assert list(map(str, findings(ROOT))) == []


def _by_day() -> list[object]:
    """Every defect; by day the first of each policy, at night all."""
    first = {policy: name for name, (policy, *_) in reversed(DEFECTS.items())}
    return [pytest.param(name, marks=[] if name in first.values() else pytest.mark.nightly) for name in DEFECTS]


@pytest.mark.parametrize("defect", _by_day())
def test_a_policy_sees_its_planted_defect(copy, defect):
    policy, path, old, new = DEFECTS[defect]

    copy.plant(path, old, new)

    found = findings(copy.root)
    assert {finding.policy for finding in found} == set(policy.split())
    elsewhere = ("concurrency-deadlock", "unverified-image")  # these speak of the file that is called, or that calls
    assert f".github/{path}" in {finding.path for finding in found} or policy in elsewhere


def test_every_policy_is_proved_by_a_defect():
    sources = (ROOT / "scripts" / f"workflow_{name}.py" for name in ("policies", "commands", "concurrency"))
    names = {
        name for source in sources for name in re.findall(r', "([a-z]+(?:-[a-z]+)+)", ', source.read_text("utf-8"))
    }

    proved = {name for policy, *_ in DEFECTS.values() for name in policy.split()}

    assert proved == names


def test_a_finding_names_file_and_line(copy):
    copy.plant("workflows/promote.yml", "registry verify", "registry verfy")
    lines = (copy.root / ".github/workflows/promote.yml").read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if "verfy" in text)

    (found,) = findings(copy.root)

    assert (found.path, found.line) == (".github/workflows/promote.yml", line)
    assert "did you mean verify?" in found.sentence


def test_the_script_prints_findings_and_fails(copy):
    script = str(ROOT / "scripts" / "workflow_policies.py")
    clean = subprocess.run([sys.executable, script], capture_output=True, text=True)
    copy.plant("workflows/train.yml", "  pull_request:\n", "  pull_request_target:\n")

    broken = subprocess.run([sys.executable, script, str(copy.root)], capture_output=True, text=True)

    assert (clean.returncode, broken.returncode) == (0, 1)
    assert "no finding" in clean.stdout
    assert broken.stdout.startswith(".github/workflows/train.yml:")


def test_the_choices_of_train_are_those_of_the_pipeline():
    from mlops_lab.pipeline.flights import flights_pipeline

    params = flights_pipeline().params

    inputs = YAML().load(ROOT / ".github/workflows/train.yml")["on"]["workflow_dispatch"]["inputs"]

    assert set(inputs["features"]["options"]) == set(params["features"].enum)
    assert set(inputs["model"]["options"]) == set(params["model"].enum)
    assert inputs["features"]["default"] == params["features"].default
    assert inputs["model"]["default"] == params["model"].default


@pytest.mark.parametrize("file", workflow_files(ROOT), ids=lambda file: Path(file.path).name)
def test_the_course_s_own_reader_reads_every_workflow(file):
    from mlops_lab.ci import load_workflow

    workflow = load_workflow(ROOT / file.path)

    assert [job.name for job in file.jobs] == list(workflow.jobs)
