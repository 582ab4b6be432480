"""How mini is trained: its pictures, its teachers' components, its steps, its file."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from pretrain import (
    arrays,
    components,
    drawings,
    drawn,
    export,
    faces,
    images,
    ready,
    resuming,
    screening,
    ship,
    views,
)
from tests.imports import ROOT, local_modules
from transfer.datasets import fingerprints
from transfer.datasets.rendering import signs
from transfer.errors import InputError
from transfer.nets import cards, weights

FOLDER = ROOT / "pretrain"
PARAMS = yaml.safe_load((FOLDER / "params.yaml").read_text(encoding="utf-8"))
STAGES = yaml.safe_load((FOLDER / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
CARD = cards.load(ROOT / cards.CARDS / "mini.yaml")
MOST = {"parameters": 1_500_000, "bytes": 3_000_000}  # what the repository is to hold at most


def rng(*seed):
    return np.random.default_rng(seed)


def photo(seed, height=60, width=80):
    """uint8 RGB with structure at several scales."""
    small = rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    grown = np.kron(small, np.ones((height // 6, width // 8, 1))).astype(int)
    return np.clip(grown + rng(seed, 1).integers(-20, 20, grown.shape), 0, 255).astype(np.uint8)


# The project


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_what_it_imports_here(stage):
    declared = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py") and "/" not in dep}
    modules = map(Path, local_modules(f"pretrain/{stage}.py"))
    assert declared == {path.name for path in modules if path.parent.name == "pretrain"}
    assert (stage in STAGES[stage].get("params", [])) == (stage in PARAMS)


def test_the_repositorys_own_project_does_not_know_it():
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "extract" in listed
    assert "teachers" not in listed


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_what_was_made_is_of_these_scripts_and_params():
    """dvc.lock is of the files that lie here, and models/mini.h5 is what they made.  What the
    library does for it may change since: then `make pretrain` would make another one."""
    lock = yaml.safe_load((FOLDER / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert set(lock) == set(STAGES)
    for name, stage in lock.items():
        for dep in stage["deps"]:
            if dep["path"].endswith(".py") and "datasets/" not in dep["path"]:
                assert md5(FOLDER / dep["path"]) == dep["md5"], f"{name}: {dep['path']}"
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            assert value == PARAMS[key]
    made = {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"]}
    for name in ("images.json", "teachers.json", "log.csv"):
        assert md5(FOLDER / name) == made[name]
    for name in ("mini.h5", "mini.json"):
        assert md5(ROOT / "models" / name) == made[f"exported/{name}"]


# The file that comes with the repository


def test_the_file_is_small_and_is_the_cards():
    (file,) = CARD.weights
    data = (ROOT / file.path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == file.sha256
    assert len(data) == file.size <= MOST["bytes"]
    weights.check_count(ROOT / file.path, CARD)
    assert CARD.parameters <= MOST["parameters"]
    about = json.loads((ROOT / file.path).with_suffix(".json").read_text(encoding="utf-8"))
    assert (about["sha256"], about["parameters"]) == (file.sha256, CARD.parameters)


def test_what_it_was_trained_on_is_told_and_is_not_the_sample():
    about = json.loads((FOLDER / "images.json").read_text(encoding="utf-8"))
    assert screening.PROTECTED == ("cifar10", "flowers", "traffic")
    assert about["protected"]["count"] > 15_000
    assert about["never_drawn"] == list(faces.NEVER)
    assert len(faces.NEVER) >= 4
    sample = yaml.safe_load((ROOT / "data/datasets/sample/source.yaml").read_text(encoding="utf-8"))
    assert sample["render"]["seed"] != PARAMS["images"]["seed"]


def test_shipping_writes_the_hash_into_the_card(tmp_path):
    models, exported = tmp_path / "models", tmp_path / "exported"
    (models / "cards").mkdir(parents=True)
    exported.mkdir()
    card = models / "cards/mini.yaml"
    shipped = (ROOT / cards.CARDS / "mini.yaml").read_text(encoding="utf-8")
    card.write_text(shipped)
    (exported / "mini.h5").write_bytes(b"weights")
    about = {"sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}
    (exported / "mini.json").write_text(json.dumps(about))
    ship.main(exported, card)
    assert (models / "mini.h5").read_bytes() == b"weights"
    (file,) = cards.load(card).weights
    assert (file.sha256, file.size) == (about["sha256"], 7)
    (exported / "mini.h5").write_bytes(b"other")
    with pytest.raises(InputError, match=r"is not the file that mini.json tells of"):
        ship.main(exported, card)
    assert (models / "mini.h5").read_bytes() == b"weights"
    (before,) = CARD.weights
    restored = (
        card.read_text().replace(file.sha256, before.sha256).replace(" 7\n", f" {before.size}\n")
    )
    assert restored == shipped, "nothing else has changed, comments neither"


# What it needs


def test_what_is_missing_is_told_before_anything_is_removed(tmp_path, monkeypatch):
    for place in ("", "mirror", "file:///mirror"):
        monkeypatch.setenv("TRANSFER_MIRROR", place)
        with pytest.raises(InputError, match=r"TRANSFER_MIRROR must name the mirror .* received"):
            ready.main()
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other.zip\n")
    monkeypatch.setenv("TRANSFER_MIRROR", str(tmp_path))
    with pytest.raises(InputError, match=r"lacks unlabelled_photos.zip, the photos that mini is"):
        ready.main()
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  unlabelled_photos.zip\n")
    ready.main()


def test_a_file_has_its_room_from_the_start_or_is_not_there(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    array = arrays.created(path, np.uint8, (1000, 1000))
    assert path.stat().st_blocks * 512 >= 1_000_000
    array[5] = 7
    array.flush()
    assert np.load(path)[5].tolist() == [7] * 1000

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"a.npy needs 1,000,128 bytes: No space left on device"):
        arrays.created(path, np.uint8, (1000, 1000))
    assert not path.exists()


# Pictures


def test_faces_are_the_same_for_a_seed_and_of_known_classes_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(faces, "_known", lambda name: asked.append(name) or signs.face(name, 128))
    written = set()
    for seed in range(300):
        face, text = faces.draw(rng(seed))
        written.add(text)
        assert face.shape == (faces.SIDE, faces.SIDE, 4)
        assert face.dtype == np.float32
        assert 0 <= face.min() <= face.max() <= 1
        assert face[..., 3].mean() > 0.1
    assert set(asked) == set(faces.KNOWN)
    assert not set(faces.KNOWN) & set(faces.NEVER)
    assert np.array_equal(faces.draw(rng(3))[0], faces.draw(rng(3))[0])
    assert written <= {"", *faces._NUMBERS, *faces._LETTERS}
    assert len(written) > 50
    assert not {"30", "50", "80"} & set(faces._NUMBERS)


def test_a_text_is_spelt_place_by_place():
    for text in ("", "7", "42", "105", "Q"):
        spelt = faces.spelt(text)
        assert (spelt.shape, spelt.dtype) == ((faces.PLACES,), np.int8)
        assert "".join(faces.SIGNS[number] for number in spelt) == text
    assert max(map(len, faces._NUMBERS)) == faces.PLACES


def test_most_drawings_show_a_sign_and_say_which():
    found = [drawings.draw(rng(seed)) for seed in range(200)]
    signs_shown = [sign for _, sign in found if sign is not None]
    assert 120 < len(signs_shown) < 180
    face, text = signs_shown[0]
    assert face.shape == (faces.SIDE, faces.SIDE, 4)
    assert isinstance(text, str)
    assert {picture.shape for picture, _ in found} == {(drawings.SIDE, drawings.SIDE, 3)}


@pytest.mark.parametrize("kind", drawings._OTHERS, ids=lambda kind: kind.__name__)
def test_drawings(kind):
    found = [kind(rng(seed)) for seed in (0, 0, 1)]
    for picture in found:
        assert (picture.shape, picture.dtype) == ((drawings.SIDE, drawings.SIDE, 3), np.uint8)
        assert picture.std() > 2
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_view_is_of_its_picture_and_drawn_by_its_seed():
    one, other = photo(1), photo(2)
    view = [views.cut(p, 96, rng(s), 0.5, True) for p, s in ((one, 0), (one, 0), (one, 1))]
    assert (view[0].shape, view[0].dtype) == ((96, 96, 3), np.uint8)
    assert np.array_equal(view[0], view[1])
    assert not np.array_equal(view[0], view[2])
    assert not np.array_equal(view[0], views.cut(other, 96, rng(0), 0.5, True))
    assert np.array_equal(one, photo(1)), "the picture itself is left as it was"


def test_views_pass_through_few_pixels_as_often_as_is_asked():
    noise = rng(5).integers(0, 256, (96, 96, 3)).astype(np.uint8)

    def fine(coarse):  # neighbours of noise differ most where no enlarging has smoothed them
        cut = [views.cut(noise, 96, rng(i), coarse, False).astype(int) for i in range(12)]
        return np.mean([np.abs(np.diff(view, axis=0)).mean() for view in cut])

    assert fine(1) < fine(0)


def test_photos_and_drawings_are_mixed_as_asked(monkeypatch):
    given = {"seed": 1, "photos": 30, "drawings": 10, "side": 32, "coarse": 0.5}
    calls = []
    shown = np.zeros((faces.SIDE, faces.SIDE, 4), np.float32)
    shown[: faces.SIDE // 2, :, 0] = shown[: faces.SIDE // 2, :, 3] = 1

    def draw(rng):
        calls.append(1)
        return photo(9), (shown, "42") if len(calls) % 2 else None

    monkeypatch.setattr(drawings, "draw", draw)
    found = [images.view([photo(1), photo(2)], given, i) for i in range(400)]
    assert 60 < len(calls) < 140
    seen, face, text = map(np.stack, zip(*found, strict=True))
    assert seen.shape == (400, 32, 32, 3)
    assert np.array_equal(seen[7], images.view([photo(1), photo(2)], given, 7)[0])
    of_sign = text[:, 0] >= 0
    assert of_sign.sum() == (len(calls) + 1) // 2
    assert {"".join(faces.SIGNS[n] for n in one) for one in text[of_sign]} == {"42"}
    assert (text[~of_sign] == -1).all()
    assert not face[~of_sign].any()
    assert face[of_sign][0, 2, 2].tolist() == [255, 0, 0]
    assert face[of_sign][0, -2, 2].tolist() == [128, 128, 128]


def test_screening_finds_what_looks_alike():
    codes = screening.fingerprints_of([photo(1), photo(2), np.zeros((50, 50, 3), np.uint8)])
    brighter = np.clip(photo(1).astype(int) + 10, 0, 255).astype(np.uint8)
    others = screening.fingerprints_of([brighter, photo(3), np.full((40, 40, 3), 9, np.uint8)])
    assert codes.shape == (3, fingerprints.SIZE)
    assert screening.near(codes, others).tolist() == [True, False, False]


# Components


def test_more_components_than_there_are_is_one_sentence():
    with pytest.raises(InputError, match="9 components are asked for of a layer that has 8"):
        components.fit(features(), 9, 0.5)


def test_signs_know_their_face_and_text_and_other_views_nothing():
    shown = rng(4).integers(0, 256, (300, 6, 6, 3)).astype(np.uint8)
    texts = np.tile(faces.spelt("7"), (300, 1))
    texts[::3] = -1
    shown[::3] = 0
    found = drawn.signs(shown, texts, 5, 0.5)
    told, written = found[np.array([0, 1, 2])]
    assert (told.shape, told.dtype) == ((3, 5), np.float16)
    assert not told[0].any()
    assert np.array_equal(written, texts[:3])
    of_signs = found.faces[texts[:, 0] >= 0].astype(float)
    assert np.abs(of_signs.mean(axis=0)).max() < 0.01
    assert of_signs.var(axis=0).mean() == pytest.approx(1, rel=0.01)


def test_the_loss_of_signs_leaves_other_views_out():
    from pretrain import student, train  # noqa: PLC0415, imports TensorFlow

    texts = np.stack([faces.spelt("42"), [-1, -1, -1]]).astype(np.int8)
    told = np.array([[1, 2], [0, 0]], np.float16)
    logits = np.zeros((2, 2, faces.PLACES, len(faces.SIGNS)), np.float32)
    answers = {student.FACES: np.ones((2, 2, 2), np.float32), student.TEXTS: logits}
    of_faces, of_texts = train.of_signs(answers, told, texts)
    assert float(of_faces) == pytest.approx(0.5)  # of (1 - 1)**2 and (1 - 2)**2
    assert float(of_texts) == pytest.approx(np.log(len(faces.SIGNS)))
    answers[student.FACES][1] = answers[student.TEXTS][1, ..., 5] = 99
    assert [float(each) for each in train.of_signs(answers, told, texts)] == [
        float(of_faces),
        float(of_texts),
    ]
    nothing = np.full((2, faces.PLACES), -1, np.int8)
    assert [float(each) for each in train.of_signs(answers, told, nothing)] == [0, 0]


class Fake:
    """A teacher of two layers whose answers are its views' pixels; it fails when it is told to."""

    def __init__(self, fails_at=None):
        self.calls, self.fails_at = 0, fails_at

    def __call__(self, shown):
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        flat = shown.reshape(len(shown), -1).astype(np.float32)
        return [flat[:, :16].reshape(-1, 4, 4), flat[:, None, 16:]]


def test_a_teacher_that_was_stopped_goes_on_with_the_same_bytes(tmp_path, monkeypatch):
    from pretrain import teachers  # noqa: PLC0415, imports TensorFlow

    monkeypatch.setattr(teachers, "_CHUNK", 10)
    shown = rng(1).integers(0, 256, (45, 3, 3, 3)).astype(np.uint8)
    given, asked = {"fitted": 30, "whitened": 0.5}, {"layers": {"x:2": 3, "y": 5}}
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    teachers._answer(Fake(), asked, given, shown, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        teachers._answer(Fake(fails_at=4), asked, given, shown, tmp_path / "stopped")
    again = Fake()
    teachers._answer(again, asked, given, shown, tmp_path / "stopped")
    assert again.calls == 3, "two of five chunks were kept, and the components"
    one, two = (np.load(tmp_path / name / "targets.npy") for name in ("whole", "stopped"))
    assert one.shape == (45, 4 * 3 + 5)
    assert np.array_equal(one, two)
    assert np.abs(one).max() > 0


def features():
    return rng(0).normal(size=(2000, 8)) * [8, 4, 2, 1, 0.5, 0.2, 0.1, 0.05] + 3


@pytest.mark.parametrize("whitened", [0, 0.5, 1])
def test_components(whitened):
    found = components.fit(features(), 4, whitened)
    told = found(features().astype(np.float32))
    variance = told.var(axis=0)
    assert told.shape == (2000, 4)
    assert np.abs(told.mean(axis=0)).max() < 1e-3
    assert variance.mean() == pytest.approx(1, rel=1e-3)
    assert variance[0] / variance[3] == pytest.approx(64 ** (1 - whitened), rel=0.2)
    assert np.abs(np.corrcoef(told.T) - np.eye(4)).max() < 0.05


# Steps


GIVEN = {
    "seed": 1, "steps": 20, "batch_size": 4, "sizes": {32: 0.5, 64: 0.5}, "learning_rate": 0.01,
    "warm_up": 5, "weight_decay": 0.0, "ema_decay": 0.9, "checkpoint": 5,
    "faces": 6, "whitened": 0.5, "weights": {"faces": 0.5, "texts": 0.2},
}  # fmt: skip


def test_each_epoch_sees_each_view_once_in_another_order():
    from pretrain import train  # noqa: PLC0415, imports TensorFlow

    epochs = [[train.batch(GIVEN, 41, step) for step in range(e * 10, e * 10 + 10)] for e in (0, 1)]
    for epoch in epochs:
        rows = np.concatenate([rows for rows, _ in epoch])
        assert len(set(rows.tolist())) == len(rows) == 40
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])
    assert {size for epoch in epochs for _, size in epoch} == {32, 64}


def test_the_rate_rises_then_falls_to_nothing():
    from pretrain import train  # noqa: PLC0415

    rates = [train.rate(GIVEN, step) for step in range(21)]
    assert rates[:5] == sorted(rates[:5])
    assert max(rates) == rates[4] == GIVEN["learning_rate"]
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[20] == pytest.approx(0)


def test_training_learns_and_goes_on_where_it_was(tmp_path):
    from pretrain import train  # noqa: PLC0415

    columns = {"a": [["x:2", 4, 3], ["y", 1, 5]], "b": [["z", 1, 2]]}
    shown = rng(1).integers(0, 256, (4, 48, 48, 3)).astype(np.uint8)
    told = {net: rng(2).normal(size=(4, n)).astype(np.float16) for net, n in (("a", 17), ("b", 2))}
    texts = np.stack([faces.spelt("42"), [-1, -1, -1], faces.spelt(""), faces.spelt("A")])
    of_signs = rng(3).normal(size=(4, 6)).astype(np.float16), texts.astype(np.int8)
    whole = train.Training(GIVEN, columns, CARD.pixels)
    losses = [whole.learn(shown, told, of_signs, 32).numpy() for _ in range(10)]
    for loss, of_teachers, of_faces, of_texts in losses:
        assert loss == pytest.approx(of_teachers + 0.5 * of_faces + 0.2 * of_texts, rel=1e-5)
    assert (losses[9][1:] < losses[0][1:]).all(), "each of the three is learnt"
    losses = [float(each[0]) for each in losses]
    whole.keep(tmp_path / "state.npz", ["a line"])
    losses += [float(whole.learn(shown, told, of_signs, 64)[0]) for _ in range(3)]
    again = train.Training(GIVEN, columns, CARD.pixels)
    assert again.restore(tmp_path / "state.npz") == ["a line"]
    assert again.step == 10
    assert [float(again.learn(shown, told, of_signs, 64)[0]) for _ in range(3)] == pytest.approx(
        losses[10:], rel=1e-3
    )
    ours, theirs = whole.averaged_backbone(), again.averaged_backbone()
    assert list(ours) == list(theirs)
    assert sum(value.size for value in ours.values()) == CARD.parameters
    for name, value in ours.items():
        assert np.allclose(value, theirs[name], atol=1e-2), name


# What is kept, and the file


def test_where_a_stage_goes_on_is_another_place_for_other_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path))
    code = tmp_path / "code.py"
    code.write_text("1")
    place = resuming.folder("train", [code], {"steps": 1})
    assert place.is_dir()
    assert resuming.folder("train", [code], {"steps": 1}) == place
    assert resuming.folder("train", [code], {"steps": 2}) != place
    code.write_text("2")
    assert resuming.folder("train", [code], {"steps": 1}) != place
    resuming.forget()
    assert not place.exists()
    (tmp_path / "small").write_bytes(b"1")
    assert len(resuming.identity(tmp_path / "small")) == 64
    whole = bytearray(3 << 20)
    (tmp_path / "large").write_bytes(whole)
    before = resuming.identity(tmp_path / "large")
    for place in (0, 1 << 20, len(whole) - 1):
        changed = whole.copy()
        changed[place] = 1
        (tmp_path / "large").write_bytes(changed)
        assert resuming.identity(tmp_path / "large") != before


def test_the_file_is_read_as_it_was_written(tmp_path):
    arrays = {
        "z_kernel": {0: rng(1).normal(size=(3, 3, 2, 4)).astype(np.float32)},
        "a_norm": {i: rng(2, i).normal(size=4).astype(np.float32) for i in range(4)},
    }
    export.write(tmp_path / "one.h5", arrays)
    export.write(tmp_path / "two.h5", arrays)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    found = weights.read(tmp_path / "one.h5")
    assert list(found) == list(arrays)
    for layer, values in arrays.items():
        for number, value in values.items():
            assert np.array_equal(found[layer][number], value.astype(np.float16))
    arrays["a_norm"][3][0] = 1e6
    with pytest.raises(InputError, match="a_norm/moving_variance holds values that float16 can't"):
        export.write(tmp_path / "two.h5", arrays)
