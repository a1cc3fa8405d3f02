"""A copy of the real workflows in which one defect can be planted, and a GitHub for those that are really run."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Copy:
    """The repository's `.github` in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / ".github", root / ".github")
        (root / ".git").mkdir()  # by which jactionlint knows a repository

    def plant(self, path: str, old: str, new: str) -> None:
        """Replace the first `old` in a file below `.github`; it must be there, or the test would prove nothing."""
        file = self.root / ".github" / path
        text = file.read_text("utf-8")
        assert old in text, f"{path} does not hold {old!r} any more: plant another defect"
        file.write_text(text.replace(old, new, 1), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.fixture
def github(tmp_path: Path) -> FakeGitHub:
    """A GitHub whose `gh` lies in the folder `bin`."""
    return FakeGitHub(tmp_path / "bin")


REPOSITORY = "octo-org/octo-repo"
GH = """
import hashlib, json, os, pathlib, shutil, subprocess, sys
folder = pathlib.Path(__file__).parent
kept = folder / "github.json"
world = json.loads(kept.read_text())
words = sys.argv[1:]
world["asked"].append(" ".join(words))

def option(name):
    return words[words.index(name) + 1] if name in words else None

def say(answer):
    if option("--jq"):
        sys.exit(subprocess.run(["jq", "--raw-output", option("--jq")], input=json.dumps(answer).encode()).returncode)
    print(json.dumps(answer))

def api(path):
    if path == "repos/octo-org/octo-repo":
        return {"default_branch": "main"}
    if "/approvals" in path:
        return world["approvals"]
    if "/jobs" in path:
        return {"jobs": world["jobs"]}
    if "/releases" in path:
        return world["releases"]
    if "status=waiting" in path:
        return {"workflow_runs": world["waiting"]}
    if "/cancel" in path:
        return {}
    return world["runs"][path.rpartition("/")[2]]

if words[0] == "api":
    answer = api(next(word for word in words[1:] if word.startswith("repos/")))
    kept.write_text(json.dumps(world))
    say(answer)
elif words[:2] == ["release", "create"]:
    tag, file = words[2:4]
    if any(each["tag_name"] == tag for each in world["releases"]):
        sys.exit("a release with the same tag name already exists")
    shutil.copy(file, folder / (tag.replace("/", "+") + ".tar.gz"))
    digest = "sha256:" + hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()
    asset = {"name": "home.tar.gz", "state": "uploaded", "digest": digest}
    when = "2013-12-01T00:00:%02dZ" % len(world["releases"])
    world["releases"].append({"tag_name": tag, "draft": False, "published_at": when, "assets": [asset]})
elif words[:2] == ["release", "download"]:
    to = pathlib.Path(option("--dir"))
    to.mkdir(exist_ok=True)
    shutil.copy(folder / (words[2].replace("/", "+") + ".tar.gz"), to / "home.tar.gz")
elif words[:2] == ["attestation", "verify"]:
    image, _, digest = words[2].partition("@sha256:")
    if not image.startswith("oci://"):
        digest = hashlib.sha256(pathlib.Path(words[2]).read_bytes()).hexdigest()
    signed = world["attested"].get(digest)
    if signed != [option("--signer-workflow"), option("--source-ref")]:
        sys.exit("Error: no attestation that the policy asks for")
else:
    sys.exit(f"gh does not know {words}")
kept.write_text(json.dumps(world))
"""


class FakeGitHub:
    """What GitHub knows of one repository; `gh` below `folder` answers from it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kept = folder / "github.json"
        (folder / "gh").write_text(f"#!{sys.executable} -I\n{GH}", encoding="utf-8")
        (folder / "gh").chmod(0o755)
        train = {
            "path": ".github/workflows/train.yml",
            "head_branch": "main",
            "head_repository": {"full_name": REPOSITORY},
            "event": "workflow_dispatch",
            "actor": {"login": "ada"},
        }
        world: dict[str, Any] = {
            "runs": {"7": train},
            "approvals": [],
            "releases": [],
            "attested": {},
            "waiting": [],
            "jobs": [],
        }
        self.kept.write_text(json.dumps({**world, "asked": []}), encoding="utf-8")

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.kept.read_text("utf-8"))[name]

    def __setitem__(self, name: str, value: Any) -> None:
        world = json.loads(self.kept.read_text("utf-8"))
        self.kept.write_text(json.dumps({**world, name: value}), encoding="utf-8")

    def approve(self, *people: str) -> None:
        """Reviewers of `production` said yes."""
        review = {"state": "approved", "environments": [{"name": "production"}]}
        self["approvals"] = [{**review, "user": {"login": who}} for who in people]

    def trains(self, **changed: Any) -> None:
        """Run 7 was another one than a run of train.yml on the default branch."""
        self["runs"] = {"7": {**self["runs"]["7"], **changed}}

    def attest(self, packed: Path, *, workflow: str = "train.yml", ref: str = "refs/heads/main") -> str:
        """Somebody signed these bytes; their digest."""
        digest = hashlib.sha256(packed.read_bytes()).hexdigest()
        self.sign(digest, workflow=workflow, ref=ref)
        return digest

    def sign(self, digest: str, *, workflow: str, ref: str = "refs/heads/main") -> None:
        """A workflow signed what has this digest."""
        self["attested"] = {**self["attested"], digest: [f"{REPOSITORY}/.github/workflows/{workflow}", ref]}

    @staticmethod
    def pack(home: Path, target: Path) -> Path:
        """A home folder as actions/keep packs it."""
        return Path(shutil.make_archive(str(target / "home"), "gztar", home))
