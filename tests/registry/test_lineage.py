"""What came from what: each thing once, under names that a program may rely on."""

from __future__ import annotations

from mlops_lab.models.lineage import lineage, used_by


def made(lab):
    run = lab.tracker.log_run(
        "train",
        params={
            "views": "weather,schedule", "feature_service": "as_known", "features": "temp,wind,hour",
            "train_from": "2013-05-01T00:00:00+00:00", "train_until": "2013-05-22T00:00:00+00:00",
            "train_rows": 90, "holdout_rows": 10, "model": "logistic",
        },
        metrics={"served.roc_auc": 0.7004, "offline.roc_auc": 0.75},
        tags={"sources": "weather=weather", "code": "abc"},
        inputs={"source.weather": "sha256:w", "training_set": "sha256:t"},
        artifact=lab.tracker.artifacts.put_bytes(b"model"),
        author="ada",
    )  # fmt: skip
    return run, lab.registry.register_model(run, "late")


def test_a_lineage_is_told_under_stable_names(lab):
    run, version = made(lab)
    lab.registry.record_gate_report(
        lab.report(version, passed=False, metrics={"served.roc_auc": 0.7004, "offline.roc_auc": 0.75})
    )

    told = lineage(version, lab.registry, tracker=lab.tracker).to_dict()

    here, train = "version:late:1", f"run:{run.run_id}"
    assert told["nodes"] == [
        {"id": "source:source.weather", "kind": "source", "title": "weather", "facts": {"fingerprint": "sha256:w"}},
        {"id": "view:weather", "kind": "view", "title": "weather", "facts": {}},
        {"id": "view:schedule", "kind": "view", "title": "schedule", "facts": {}},
        {"id": "service:as_known", "kind": "service", "title": "as_known", "facts": {"features": "3"}},
        {
            "id": "training_set", "kind": "training_set", "title": "training set",
            "facts": {"fingerprint": "sha256:t", "learnt from": "2013-05-01 to 2013-05-22",
                      "rows": "90 learnt, 10 held out"},
        },
        {
            "id": train, "kind": "run", "title": run.run_id[:8],
            "facts": {"model": "logistic", "served AUC": "0.700", "offline AUC": "0.750", "code": "abc",
                      "author": "ada", "artifact": run.artifact},
        },
        {"id": here, "kind": "version", "title": "late v1", "facts": {"stage": "None", "aliases": "", "author": "ada"}},
        {
            "id": f"{here}:gate", "kind": "gate_report", "title": "gate report",
            "facts": {"verdict": "refused", "rules": "0 of 1 passed", "champion": "none",
                      "holdout": "sha256:" + "0" * 64, "because": "AUC against 0.65."},
        },
    ]  # fmt: skip
    assert told["edges"] == [
        ["source:source.weather", "view:weather"],
        ["view:weather", "service:as_known"],
        ["view:schedule", "service:as_known"],
        ["service:as_known", "training_set"],
        ["training_set", train],
        [train, here],
        [here, f"{here}:gate"],
    ]


def test_of_several_steps_of_a_rollout_the_last_one_stands(lab):
    version = lab.promoted()
    for action, why in (("rollout_started", "begun"), ("rollout_watched", "well"), ("rollout_finished", "good")):
        lab.registry.record_event("late", 1, action=action, actor="x", why=why, details={})

    found = lineage(version, lab.registry, tracker=lab.tracker)

    assert [node.facts for node in found.nodes if node.kind == "deployment"] == [{"state": "finished", "why": "good"}]
    assert [node.facts["verdict"] for node in found.nodes if node.kind == "gate_report"] == ["passed"]
    assert [node.title for node in found.nodes] == [version.run_id[:8], "late v1", "gate report", "rollout"]
    assert found.edges == (
        (f"run:{version.run_id}", "version:late:1"),
        ("version:late:1", "version:late:1:gate"),
        ("version:late:1:gate", "version:late:1:rollout"),
    )


def test_a_view_is_followed_to_its_own_runs_and_versions_only(lab):
    run, _ = made(lab)
    lab.version()

    found = used_by("weather", lab.registry, tracker=lab.tracker)

    assert [node.id for node in found.nodes] == ["view:weather", f"run:{run.run_id}", "version:late:1"]
    assert [node.kind for node in found.nodes] == ["view", "run", "version"]
    assert [node.title for node in found.nodes] == ["weather", run.run_id[:8], "late v1"]
    assert found.edges == (("view:weather", f"run:{run.run_id}"), (f"run:{run.run_id}", "version:late:1"))
