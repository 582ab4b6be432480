"""Heads: the training against Keras, its determinism, the file, and what is refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from stages import train as train_stage
from tests.examples import COURSE, OPTIONS, blobs, fitted, write_pack
from transfer.errors import InputError
from transfer.heads import kinds, trained
from transfer.heads.methods import dense, stacks
from transfer.heads.methods.chunks import ROWS

# --- training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [[4], [12, 4]], ids=["softmax", "mlp"])
def test_training_is_keras_training(units):
    keras = pytest.importorskip("keras")
    x, y = blobs()
    layers = stacks.initial([10, *units], np.random.default_rng(5))
    model = keras.Sequential(
        [keras.layers.Dense(u, activation="relu") for u in units[:-1]]
        + [keras.layers.Dense(units[-1], activation="softmax")]
    )
    model.build((None, 10))
    model.set_weights([array.copy() for pair in layers for array in pair])
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    other = blobs(30, seed=1)
    # 70 rows in batches of 16: the last batch of an epoch has 6.
    history = model.fit(
        x, y, batch_size=16, epochs=8, shuffle=False, validation_data=other, verbose=0
    ).history
    curves = dense.train(
        layers, (x,), y, epochs=8, batch_size=16, validation=((other[0],), other[1])
    )
    # Both run in float32 and add in another order; Adam divides by sqrt(v), which magnifies the
    # rounding of small gradients: after 40 steps of 1e-3 weights agree to a few 1e-7 (seen).
    for ours, theirs in zip(stacks.named(layers).values(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)
    for ours, theirs in (("loss", "loss"), ("acc", "accuracy"), ("val_loss", "val_loss")):
        np.testing.assert_allclose(curves[ours], history[theirs], atol=1e-5)


def test_gradient_is_the_slope_of_the_loss():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(9, 5)), rng.integers(0, 3, 9)
    layers = [tuple(a.astype(float) for a in pair) for pair in stacks.initial([5, 4, 3], rng)]
    h, log_p = stacks.forward(layers, x)
    arrays = [array for pair in layers for array in pair]
    for array, gradient in zip(arrays, stacks.gradients(layers, h, log_p, y), strict=True):
        slope = np.empty_like(array)
        for where in np.ndindex(array.shape):
            kept, losses = array[where], []
            for step in (1e-6, -1e-6):
                array[where] = kept + step
                losses.append(stacks.sums(stacks.forward(layers, x)[1], y)[0] / len(y))
            array[where] = kept
            slope[where] = (losses[0] - losses[1]) / 2e-6
        np.testing.assert_allclose(gradient, slope, atol=1e-7)  # float32's count of rows is exact


def test_glorot_start_fills_its_range():
    (kernel, bias), _ = stacks.initial([40, 60, 3], np.random.default_rng(0))
    limit = np.sqrt(6 / 100)
    assert abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(
        limit / np.sqrt(3), rel=0.03
    )  # of a uniform: limit / sqrt 3
    assert kernel.dtype == np.float32
    assert not bias.any()


def test_truncated_normal_start_is_the_courses():
    ((kernel, bias),) = stacks.initial([400, 50], np.random.default_rng(0), "truncated_normal")
    assert 0.0199 < abs(kernel).max() <= 0.02
    assert kernel.std() == pytest.approx(0.00880, rel=0.02)  # .01 sqrt(1 - 4 phi(2) / .9545)
    assert not bias.any()


def test_curves_and_callbacks_see_the_same():
    x, y = blobs()
    epochs, batches = [], []
    checked, labels = blobs(30, seed=1)
    _, curves, _ = kinds.fit(
        "softmax",
        (x,),
        y,
        4,
        OPTIONS["softmax"],
        validation=((checked,), labels),
        on_batch=lambda seen, means: batches.append(seen),
        on_epoch=lambda epoch, means: epochs.append((epoch, means)),
    )
    assert batches[:5] == [16, 32, 48, 64, 70]
    assert [epoch for epoch, _ in epochs] == [1, 2, 3, 4, 5]
    assert list(curves) == ["loss", "acc", "val_loss", "val_acc"]
    assert [means["val_loss"] for _, means in epochs] == curves["val_loss"].tolist()


@pytest.mark.parametrize("kind", OPTIONS)
def test_validation_chooses_nothing(kind):
    x, y = blobs()
    alone, curves, _ = kinds.fit(kind, (x,), y, 4, OPTIONS[kind])
    watched = fitted(kind).arrays
    assert list(curves) == (["loss", "acc"] if kind in COURSE else [])
    assert all(np.array_equal(alone[name], watched[name]) for name in alone)


def test_two_points_a_class_are_separable():
    x = np.eye(6, dtype=np.float32)
    y = np.array([0, 0, 1, 1, 2, 2])
    options = {"epochs": 1500, "batch_size": 4, "seed": 0}
    arrays, curves, _ = kinds.fit("softmax", (x,), y, 3, options)
    assert curves["acc"][-1] == 1
    assert stacks.probabilities(arrays, x).argmax(axis=1).tolist() == y.tolist()


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("scale", [1e4, 1e-6])
def test_badly_scaled_features_give_a_finite_head(kind, scale):
    x, y = blobs()
    arrays, curves, _ = kinds.fit(kind, (x * np.float32(scale),), y, 4, OPTIONS[kind])
    assert all(np.isfinite(a).all() for a in (*arrays.values(), *curves.values()))
    p = kinds.named(kind).probabilities(arrays, x * np.float32(scale))
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    if kind not in COURSE:
        assert (p.argmax(axis=1) == y).mean() > 0.9


def test_log_softmax_of_huge_logits():
    found = stacks.log_softmax(np.array([[1e30, 0, -1e30], [1000, 1000, 0]], np.float32))
    np.testing.assert_allclose(found[0], [0, -1e30, -2e30], rtol=1e-6)
    np.testing.assert_allclose(found[1], np.array([0, 0, -1000]) - np.log(2), rtol=1e-6)


# --- determinism ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIONS)
def test_equal_inputs_give_equal_bytes(kind, tmp_path):
    fitted(kind).save(tmp_path / "one.npz")
    np.random.default_rng().random()  # no global state is used
    fitted(kind).save(tmp_path / "two.npz")
    fitted(kind, seed=1).save(tmp_path / "other.npz")
    one, two, other = ((tmp_path / f"{n}.npz").read_bytes() for n in ("one", "two", "other"))
    assert one == two
    assert (one != other) or kind not in COURSE  # elsewhere it decides the folds alone


SCRIPT = """
import numpy as np, sys
from transfer.heads import kinds, trained
rng = np.random.default_rng(0)
x, y = rng.normal(size=(600, 512)).astype(np.float32), rng.integers(0, 40, 600)
kind = sys.argv[2]
given = dict(epochs=2, batch_size=256, seed=0, hidden=128, transform="auto", strength="auto",
             neighbours="auto", folds=3, class_weights="none", initializer="glorot_uniform")
options = kinds.options(kind, given)
arrays, curves, selection = kinds.fit(kind, (x,), y, 40, options, validation=((x,), y))
head = trained.Head(
    kind, arrays, [str(i) for i in range(40)], "n", "d", {}, curves, options, selection
)
head.save(sys.argv[1])
np.save(sys.argv[1] + ".npy", head.probabilities((x,)))
"""


@pytest.mark.parametrize("kind", ["mlp", "logistic", "ridge"])
def test_number_of_threads_does_not_matter(tmp_path, kind):
    for threads in ("1", "2"):
        path = str(tmp_path / f"{threads}.npz")
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": os.getcwd()}
        subprocess.run([sys.executable, "-c", SCRIPT, path, kind], env=environment, check=True)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    assert (tmp_path / "1.npz.npy").read_bytes() == (tmp_path / "2.npz.npy").read_bytes()


@pytest.mark.parametrize("kind", OPTIONS)
def test_memory_mapped_features_train_the_same(tmp_path, kind):
    x, y = blobs()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, two = (kinds.fit(kind, (rows,), y, 4, OPTIONS[kind]).arrays for rows in (x, mapped))
    assert all(np.array_equal(one[name], two[name]) for name in one)


# --- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_head_comes_back_from_its_file(kind, tmp_path):
    head = fitted(kind)
    head.save(tmp_path / "models" / "head.npz")
    back = trained.load(tmp_path / "models" / "head.npz")
    for name in ("kind", "classes", "net", "dataset", "recipe", "options", "selection"):
        assert getattr(back, name) == getattr(head, name)
    x, _ = blobs(2500)  # more than two chunks
    assert np.array_equal(back.probabilities((x,)), head.probabilities((x,)))
    assert {n: c.tolist() for n, c in back.curves.items()} == {
        n: c.tolist() for n, c in head.curves.items()
    }
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["head.npz"]
    assert trained.title(back) == f"{kind} head on mini features of sample, untrained"


def test_chunks_do_not_show():
    head, (x, _) = fitted(), blobs(2500)
    alone = np.concatenate([head.probabilities((x[i : i + 1],)) for i in range(0, 2500, 500)])
    np.testing.assert_allclose(head.probabilities((x,))[::500], alone, atol=1e-6)
    assert head.probabilities((x,)).dtype == np.float32
    assert head.probabilities((x[:0],)).shape == (0, 4)


def test_chunks_are_the_whole_and_small():
    head, (x, _) = fitted(), blobs(2500)
    chunks = list(head.chunks((x,)))
    assert max(map(len, chunks)) == ROWS < 2500
    assert np.array_equal(np.concatenate(chunks), head.probabilities((x,)))
    x[2100, 1] = np.inf
    with pytest.raises(InputError, match="row 2100 of the features gives no probabilities"):
        list(head.chunks((x,)))


def test_features_of_another_length_are_refused():
    with pytest.raises(InputError, match="takes 10 features an image; received 9"):
        fitted().probabilities((np.zeros((2, 9), np.float32),))


def test_features_that_are_not_numbers_are_refused():
    x, y = blobs()
    x[7, 3] = np.nan
    with pytest.raises(InputError, match=r"row 7 .* not finite"):
        fitted().probabilities((x,))
    with pytest.raises(InputError, match=r"loss on the training features .* epoch 1"):
        kinds.fit("softmax", (x,), y, 4, OPTIONS["softmax"])
    with pytest.raises(InputError, match="loss on the validation features"):
        kinds.fit("softmax", (blobs()[0],), y, 4, OPTIONS["softmax"], validation=((x,), y))


def damage(path, **changed):
    with np.load(path) as file:
        arrays = dict(file)
    arrays = {n: a for n, a in (arrays | changed).items() if a is not None}
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"about": None}, "lacks about"),
        ({"about": np.array("{}")}, "description is damaged"),
        (
            {"about": np.array(json.dumps(dict.fromkeys(trained.ABOUT, "softmax")))},
            "description is damaged .a selection that is no mapping",
        ),
        ({"array/bias_0": None}, "must hold the arrays kernel_0, bias_0"),
        ({"array/bias_0": np.zeros(3)}, "don't fit together"),
        ({"array/kernel_0": np.zeros(3)}, "don't fit together"),
        ({"classes": np.array(["a", "b"])}, "names 2 classes, but its arrays tell 4 apart"),
        (
            {
                "about": np.array(
                    json.dumps(dict.fromkeys(trained.ABOUT, "softmaxx") | {"selection": {}})
                )
            },
            "unknown head 'softmaxx'; known: softmax, auto, finetune",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, changed, message):
    path = tmp_path / "head.npz"
    fitted().save(path)
    damage(path, **changed)
    with pytest.raises(InputError, match=message):
        trained.load(path)


def test_a_head_without_a_selection_is_read(tmp_path):
    path = tmp_path / "head.npz"
    fitted().save(path)
    with np.load(path) as file:
        about = json.loads(str(file["about"]))
    del about["selection"]
    damage(path, about=np.array(json.dumps(about)))
    assert trained.load(path).selection == {}


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 torn"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "head.npz"
    with pytest.raises(InputError, match="there is no head at"):
        trained.load(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a head"):
        trained.load(path)
    np.savez(path, about=np.array([{"kind": "softmax"}], dtype=object))
    with pytest.raises(InputError, match=r"not a whole .npz file of plain arrays"):
        trained.load(path)


def test_a_torn_file_is_refused(tmp_path):
    path = tmp_path / "head.npz"
    fitted().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a head"):
        trained.load(path)


# --- what a fit refuses -----------------------------------------------------------------------


def test_bad_rows_are_refused():
    x, y = blobs()
    for arguments, message in (
        (("softmaxx", (x,), y, 4), "unknown head 'softmaxx'; known: softmax, auto, finetune"),
        (("softmax", (x,), y, 3), r"training labels must lie in 0\.\.2; received 3"),
        (("softmax", (x,), y - 1, 4), "received -1"),
        (("softmax", (x[:9],), y, 4), "9 rows of training features have 70 labels"),
        (("softmax", (x[:0],), y[:0], 4), "no training images"),
        (("softmax", (x[:, None],), y, 4), "have the shape"),
        (("softmax", x, y, 4), "views must be a tuple of arrays .*; received a ndarray"),
        (("softmax", (), y, 4), "views must be a tuple"),
        (("softmax", (x, x[:9]), y, 4), "9 rows of training features have 70 labels"),
    ):
        with pytest.raises(InputError, match=message):
            kinds.fit(*arguments, OPTIONS["softmax"])
    with pytest.raises(
        InputError, match=r"validation features have the shape .*, expected \[N, 10"
    ):
        kinds.fit("softmax", (x,), y, 4, OPTIONS["softmax"], validation=((x[:, :9],), y))


# --- the stage --------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A folder with params.yaml and two packs; its main() writes models/head.npz."""
    monkeypatch.chdir(tmp_path)
    head = "kind: softmax, epochs: 4, batch_size: 16, seed: 0, hidden: 8"
    chosen = "transform: auto, strength: auto, neighbours: auto"
    chosen += ", folds: 3, class_weights: none, upto: auto, rate: auto"
    (tmp_path / "params.yaml").write_text(
        f"head: {{{head}, initializer: truncated_normal, {chosen}}}\n"
    )
    write_pack(tmp_path / "train.p", *blobs())
    write_pack(tmp_path / "validation.p", *blobs(30, seed=1))
    return tmp_path


def run_stage(folder):
    unused = dict.fromkeys(("train_cut", "validation_cut", "card", "weights", "backbone"))
    packs = {part: folder / f"{part}.p" for part in ("train", "validation")}
    train_stage.main(**packs, **unused, head=folder / "head.npz")


def test_the_epoch_that_is_kept_is_told():
    curves = {"loss": np.array([3.0, 2.0, 2.5]), "val_acc": np.array([0.1, 0.5, 0.4])}
    assert train_stage._told(curves, {}) == "loss 2.5000, val_acc 0.4000"
    told = "loss 2.0000, val_acc 0.5000 (epoch 2 of 3, which is kept)"
    assert train_stage._told(curves, {"epoch": 2}) == told
    assert train_stage._told({}, {}) == ""


def test_the_stage_trains_and_says_untrained(workspace, capsys):
    run_stage(workspace)
    first = (workspace / "head.npz").read_bytes()
    run_stage(workspace)
    assert (workspace / "head.npz").read_bytes() == first
    printed = capsys.readouterr().out.splitlines()[0]
    assert printed.startswith(
        "train: softmax head on mini features of sample, untrained: 70 images of 4 classes; loss "
    )
    assert "val_acc" in printed
    head = trained.load(workspace / "head.npz")
    assert (head.net, head.dataset, head.classes) == ("mini", "sample", list("abcd"))
    expected = {"epochs": 4, "batch_size": 16, "seed": 0, "initializer": "truncated_normal"}
    assert head.options == expected | {"class_weights": "none"}  # hidden is not softmax's


def test_the_stage_trains_without_validation_rows(workspace):
    x, y = blobs()
    write_pack(workspace / "validation.p", x[:0], y[:0])
    run_stage(workspace)
    assert list(trained.load(workspace / "head.npz").curves) == ["loss", "acc"]


@pytest.mark.parametrize("kind", [kind for kind in OPTIONS if kind not in COURSE])
def test_the_stage_says_what_was_chosen(workspace, capsys, kind):
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text.replace("softmax", kind))
    run_stage(workspace)
    first = (workspace / "head.npz").read_bytes()
    run_stage(workspace)
    assert (workspace / "head.npz").read_bytes() == first
    (line, _) = capsys.readouterr().out.splitlines()
    head = trained.load(workspace / "head.npz")
    about = head.selection
    assert line.startswith(
        f"train: {kind} head on mini features of sample, untrained: 70 images of 4 classes; "
        f"{about['transform']}"
    )
    assert line.endswith(
        f" of {about['tried']} tried by 3 folds of images: held-out accuracy "
        f"{about['fold_accuracy']:.4f}; temperature {about['temperature']:.3g}"
    )
    assert head.options.keys() == OPTIONS[kind].keys()
    assert head.curves == {}


def test_the_stage_notes_what_the_data_would_not_allow(workspace, capsys):
    text = (workspace / "params.yaml").read_text().replace("softmax", "ridge")
    (workspace / "params.yaml").write_text(text)
    x, y = blobs()
    write_pack(workspace / "train.p", np.append(x, x[:1], 0), np.append(y, 4), classes="abcde")
    write_pack(workspace / "validation.p", *blobs(30, seed=1), classes="abcde")
    run_stage(workspace)
    note = "train: note: classes held out otherwise: 1 never, having one image"
    assert capsys.readouterr().out.splitlines()[1] == note


def test_packs_of_two_recipes_are_refused(workspace):
    write_pack(workspace / "validation.p", *blobs(30, seed=1), size=96, layers=["pool"])
    with pytest.raises(InputError, match=r"another recipe .* they differ in layers, size"):
        run_stage(workspace)
    write_pack(workspace / "validation.p", *blobs(30, seed=1), classes="abxd")
    with pytest.raises(InputError, match=r"other classes than .*: x instead of c"):
        run_stage(workspace)


def test_an_unknown_kind_is_refused(workspace):
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text.replace("softmax", "mpl"))
    with pytest.raises(InputError, match="unknown head 'mpl'; known: mlp, auto, finetune, knn"):
        run_stage(workspace)
