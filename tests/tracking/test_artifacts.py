"""Do artifacts stay what they were, and does nothing strange come out of them?"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, NotAllowed, UnknownName
from mlops_lab.models.tracking import ArtifactStore

NUMBERS = np.column_stack([np.arange(40.0), np.arange(40.0)[::-1] % 7])
LATE = np.arange(40) % 3 == 0


def _encoder():
    return make_column_transformer((StandardScaler(), [0]), (OneHotEncoder(handle_unknown="ignore"), [1]))


MODELS = {
    "logistic": lambda: make_pipeline(_encoder(), LogisticRegression()),
    "forest": lambda: make_pipeline(_encoder(), RandomForestClassifier(5, random_state=0)),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "calibrated": lambda: CalibratedClassifierCV(make_pipeline(_encoder(), LogisticRegression()), cv=2),
}


@given(data=st.binary(max_size=2000))
def test_bytes_come_back_and_are_named_by_their_sha256(tmp_path_factory, data):
    store = ArtifactStore(tmp_path_factory.mktemp("home"))

    fingerprint = store.put_bytes(data)

    assert fingerprint == "sha256:" + hashlib.sha256(data).hexdigest()
    assert store.get_bytes(fingerprint) == data


def test_the_same_bytes_are_stored_once_and_leave_no_other_file(tmp_path):
    store = ArtifactStore(tmp_path)

    for _ in range(3):
        store.put_bytes(b"model")

    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sha256:",
        "../../etc/passwd",
        "sha256:../../../../etc/passwd",
        "sha256:" + "A" * 64,
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 64 + "\n",
        "sha256:" + "0" * 62 + "/.",
        "md5:" + "0" * 64,
        "sha256:" + "٠" * 64,
        None,
        7,
        b"sha256:" + b"0" * 64,
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_fingerprint_never_becomes_a_path(tmp_path, name):
    store = ArtifactStore(tmp_path)

    with pytest.raises(InvalidData, match="is not a fingerprint"):
        store.path(name)
    with pytest.raises(InvalidData):
        store.get_bytes(name)


def test_changed_bytes_are_noticed_and_storing_them_again_heals(tmp_path):
    store = ArtifactStore(tmp_path)
    fingerprint = store.put_bytes(b"model")
    store.path(fingerprint).write_bytes(b"modem")

    with pytest.raises(IntegrityError) as caught:
        store.get_bytes(fingerprint)
    store.put_bytes(b"model")

    assert caught.value.expected == fingerprint
    assert store.get_bytes(fingerprint) == b"model"


def test_a_truncated_artifact_is_noticed(tmp_path):
    store = ArtifactStore(tmp_path)
    fingerprint = store.put_bytes(b"model" * 100)
    os.truncate(store.path(fingerprint), 0)

    with pytest.raises(IntegrityError):
        store.get_bytes(fingerprint)


def test_a_missing_artifact_is_an_unknown_name(tmp_path):
    store = ArtifactStore(tmp_path)
    there = store.put_bytes(b"model")

    with pytest.raises(UnknownName) as caught:
        store.get_bytes("sha256:" + "0" * 64)

    assert caught.value.options == [there]


def test_a_home_that_is_a_file_is_a_home_error(tmp_path):
    (tmp_path / "home").write_text("not a folder")

    with pytest.raises(HomeError):
        ArtifactStore(tmp_path / "home").put_bytes(b"model")


def test_text_is_no_artifact(tmp_path):
    with pytest.raises(InvalidData, match="bytes"):
        ArtifactStore(tmp_path).put_bytes("model")


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)

    with pytest.raises(HomeError, match="No space left"):
        ArtifactStore(tmp_path).put_bytes(b"model")

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_many_threads_storing_the_same_bytes_agree(tmp_path):
    store = ArtifactStore(tmp_path)
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.put_bytes(b"x" * 100_000))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert list(store) == [found[0]]


@pytest.mark.parametrize("kind", MODELS)
def test_a_loaded_model_predicts_exactly_what_the_saved_one_did(tmp_path, kind):
    store = ArtifactStore(tmp_path)
    model = MODELS[kind]().fit(NUMBERS, LATE)

    loaded = store.load_model(store.save_model(model))

    np.testing.assert_array_equal(loaded.predict_proba(NUMBERS), model.predict_proba(NUMBERS))


@pytest.mark.parametrize("kind", MODELS)
def test_the_same_training_gives_the_same_fingerprint(tmp_path, kind):
    store = ArtifactStore(tmp_path)

    fingerprints = {store.save_model(MODELS[kind]().fit(NUMBERS, LATE)) for _ in range(3)}

    assert len(fingerprints) == 1


def test_other_training_gives_another_fingerprint(tmp_path):
    store = ArtifactStore(tmp_path)

    one = store.save_model(LogisticRegression(C=1.0).fit(NUMBERS, LATE))
    other = store.save_model(LogisticRegression(C=0.5).fit(NUMBERS, LATE))

    assert one != other


@pytest.mark.nightly
def test_another_process_with_another_hash_seed_gives_the_same_fingerprint(tmp_path):
    script = (
        "import sys; from sklearn.linear_model import LogisticRegression\n"
        "from mlops_lab.models.tracking import ArtifactStore\n"
        "model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])\n"
        "model.airports = {'EWR', 'JFK', 'LGA', 'BOS', 'ORD'}\n"
        "print(ArtifactStore(sys.argv[1]).save_model(model))"
    )

    found = {
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(found) == 1


def test_skops_itself_does_not_give_the_same_bytes_twice():
    plain = {skops.io.dumps(LogisticRegression().fit(NUMBERS, LATE)) for _ in range(3)}

    assert len(plain) > 1  # the fault the normal form is for: times and object numbers


def test_a_function_in_the_file_is_refused_by_name(tmp_path):
    store = ArtifactStore(tmp_path)
    fingerprint = store.put_bytes(skops.io.dumps(FunctionTransformer(os.system)))

    with pytest.raises(NotAllowed, match=rf"{os.system.__module__}\.system") as caught:
        store.load_model(fingerprint)

    assert not caught.value.waiting


def test_trees_can_be_refused_too(tmp_path):
    store = ArtifactStore(tmp_path)
    fingerprint = store.save_model(RandomForestClassifier(1, random_state=0).fit(NUMBERS, LATE))

    with pytest.raises(NotAllowed, match=r"sklearn\.tree\._tree\.Tree"):
        store.load_model(fingerprint, trusted=())


def test_a_type_can_be_trusted_by_name(tmp_path):
    store = ArtifactStore(tmp_path)
    fingerprint = store.save_model(FunctionTransformer(os.path.basename))

    loaded = store.load_model(fingerprint, trusted=["posixpath.basename", "ntpath.basename"])

    assert loaded.func is os.path.basename


def _zip(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("_json", ".json"), data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 nearly a zip",
        b"not a zip",
        _zip(other=b"{}"),
        _zip(schema_json=b""),
        _zip(schema_json=b"[]"),
        _zip(schema_json=b'{"protocol": 1}'),
        _zip(schema_json=b'{"protocol": 0, "__loader__": "Nothing", "__class__": "x", "__module__": "y"}'),
        _zip(schema_json=b"[" * 100_000),
    ],
    ids=["empty", "cut", "text", "no schema", "empty schema", "list", "no root", "no loader", "deep"],
)
def test_bytes_that_are_no_model_are_invalid_data(tmp_path, data):
    store = ArtifactStore(tmp_path)

    with pytest.raises(InvalidData):
        store.load_model(store.put_bytes(data))


def test_what_skops_cannot_write_is_invalid_data(tmp_path):
    with pytest.raises(InvalidData, match="cannot be stored as a model"):
        ArtifactStore(tmp_path).save_model(Birch())


def test_a_tampered_model_is_not_loaded(tmp_path):
    store = ArtifactStore(tmp_path)
    fingerprint = store.save_model(LogisticRegression().fit(NUMBERS, LATE))
    path = Path(store.path(fingerprint))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(IntegrityError):
        store.load_model(fingerprint)
