"""What is chosen by folds, what it is chosen from, and what a careless user gets told."""

import json

import numpy as np
import pytest

from tests.examples import OPTIONS, blobs, fitted
from tests.test_heads import damage
from transfer.errors import InputError
from transfer.heads import kinds, trained
from transfer.heads.choosing import candidates, training
from transfer.heads.methods import knn, transforms, weights

KINDS = ("logistic", "ridge", "knn", "prototype")
STRENGTHS = ("logistic", "ridge")
ARRAYS = ("root", "kernel", "bias")


def fit(kind, *views, labels=None, classes=4, groups=None, **options):
    views = views or (blobs()[0],)
    labels = blobs()[1] if labels is None else labels
    return kinds.fit(kind, views, labels, classes, OPTIONS[kind] | options, groups=groups)


def answers(kind, found, x):
    return kinds.named(kind).probabilities(found.arrays, x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_choice_is_told_in_plain_values(kind):
    found = fit(kind)
    about = found.selection
    assert json.loads(json.dumps(about)) == about
    assert found.curves == {}
    assert about["transform"] in transforms.NAMES
    assert (about["folds"], about["folds_by"]) == (3, "image")
    assert 0.8 < about["fold_accuracy"] <= 1
    assert about["temperature"] > 0
    assert ("strength" in about) == (kind in STRENGTHS)
    assert ("neighbours" in about) == (kind == "knn")


def test_auto_is_least_squares_unless_logistic_is_clearly_better():
    """Of three classes in a line least squares can't tell the middle one; where they lie in
    corners both can, and of many features it learns more from few rows."""
    rng = np.random.default_rng(0)
    line, corner = np.eye(4)[[0, 0, 0]] * [[-3], [0], [3]], 4 * np.eye(4)[:3]
    chosen = []
    for n, centres in ((600, line), (600, corner), (60, 2.5 * np.eye(400)[:3])):
        y = np.arange(n) % 3
        x = (centres[y] + rng.normal(size=(n, centres.shape[1]))).astype(np.float32)
        found = {
            kind: kinds.fit(kind, (x,), y, 3, OPTIONS["ridge"]) for kind in (*STRENGTHS, "auto")
        }
        kind = found["auto"].selection["kind"]
        chosen.append(kind)
        assert all(np.array_equal(found["auto"].arrays[a], found[kind].arrays[a]) for a in ARRAYS)
    assert chosen == ["logistic", "ridge", "ridge"]


def test_a_difference_that_one_group_makes_is_not_clear():
    a, b = np.array([0.0] * 8 + [0.1] * 4), np.array([0.6] * 4 + [0.0] * 8)
    assert candidates.is_clearly_better(a, b, np.arange(12))
    assert not candidates.is_clearly_better(a, b, np.arange(12) // 4)
    assert not candidates.is_clearly_better(a, b, np.zeros(12, int))
    assert not candidates.is_clearly_better(b, a, np.arange(12))
    assert not candidates.is_clearly_better(a, a, np.arange(12))


@pytest.mark.parametrize("kind", STRENGTHS)
def test_what_is_given_is_taken(kind):
    about = fit(kind, transform="standardise", strength=0.02).selection
    assert (about["transform"], about["strength"], about["tried"]) == ("standardise", 0.02, 1)
    assert about["at_edge"] is False
    assert fit("knn", neighbours=7).selection["neighbours"] == 7


@pytest.mark.parametrize("kind", STRENGTHS)
def test_a_penalty_that_overfits_is_not_chosen(kind):
    y = np.arange(90) % 3
    noise = np.random.default_rng(0).normal(size=(90, 80))
    x = (2 * np.eye(80)[y] + noise).astype(np.float32)
    weak = fit(kind, x, labels=y, classes=3, transform="none", strength=1e-6).selection
    found = fit(kind, x, labels=y, classes=3, transform="none").selection
    assert found["strength"] > 1e-4
    assert found["fold_log_loss"] < weak["fold_log_loss"] - 0.05


def test_a_signal_below_the_noise_is_found_behind_a_plateau():
    """Strong penalties see the widest axes alone, no better than chance: the path goes on."""
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(100, 100)))[0]
    spread = np.repeat([1, 0.01], [50, 50])
    centres = 0.02 * rng.normal(size=(5, 100)) * (spread < 1)

    def drawn(n):
        y = np.arange(n) % 5
        return ((rng.normal(size=(n, 100)) * spread + centres[y]) @ turned).astype(np.float32), y

    (x, y), (new, true) = drawn(300), drawn(500)
    found = fit("ridge", x, labels=y, classes=5, transform="none")
    assert (answers("ridge", found, new).argmax(axis=1) == true).mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_copies_in_one_group_are_not_held_out_apart(kind):
    """Labels are noise: only copies across folds would be answered better than by chance."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 30)).astype(np.float32), np.arange(60) % 3
    x, y, groups = (np.repeat(a, 5, axis=0) for a in (x, y, np.arange(60)))
    options = {"transform": "none"} | ({"strength": 1e-4} if kind in STRENGTHS else {})
    kept, torn = (fit(kind, x, labels=y, classes=3, groups=g, **options) for g in (groups, None))
    assert kept.selection["fold_accuracy"] < 0.55
    assert kept.selection["fold_accuracy"] < torn.selection["fold_accuracy"] - 0.1
    assert (kept.selection["folds_by"], torn.selection["folds_by"]) == ("group", "image")


@pytest.mark.parametrize("kind", KINDS)
def test_two_equal_views_answer_as_one(kind):
    x, _ = blobs()
    given = {"strength": 0.01} if kind in STRENGTHS else {}
    given |= {"neighbours": 1} if kind == "knn" else {}
    one, two = fit(kind, x, transform="none", **given), fit(kind, x, x, transform="none", **given)
    assert one.selection["fold_accuracy"] == two.selection["fold_accuracy"]
    if kind != "knn":  # to which a second copy is another voice
        np.testing.assert_allclose(answers(kind, one, x), answers(kind, two, x), atol=0.02)


@pytest.mark.parametrize("kind", OPTIONS)
def test_probabilities_are_averaged_over_views(kind):
    x, _ = blobs(1500)
    other = x + np.float32(0.3)
    head = fitted(kind)
    expected = (head.probabilities((x,)) + head.probabilities((other,))) / 2
    np.testing.assert_allclose(head.probabilities((x, other)), expected, atol=1e-6)
    with pytest.raises(InputError, match="one view has 1500 rows and another 9; expected as many"):
        head.probabilities((x, other[:9]))
    with pytest.raises(InputError, match="received a ndarray"):
        head.probabilities(x)


@pytest.mark.parametrize("kind", ["softmax", "mlp"])
def test_adam_sees_the_rows_of_all_views(kind):
    (x, y), (other, _) = blobs(), blobs(seed=3)
    apart = kinds.fit(kind, (x, other), y, 4, OPTIONS[kind], validation=((x, other), y))
    whole = kinds.fit(kind, (np.concatenate([x, other]),), np.tile(y, 2), 4, OPTIONS[kind])
    assert all(np.array_equal(apart.arrays[n], whole.arrays[n]) for n in whole.arrays)
    head = trained.Head(kind, apart.arrays, list("abcd"), "n", "d", {})
    p = head.probabilities((x, other))[np.arange(len(y)), y]
    assert apart.curves["val_loss"][-1] == pytest.approx(-np.log(p).mean(), rel=1e-4)
    with pytest.raises(InputError, match="validation images have 1 views, and training images 2"):
        kinds.fit(kind, (x, other), y, 4, OPTIONS[kind], validation=((x,), y))


def test_balanced_weights_make_classes_equal():
    labels = np.array([0] * 6 + [1] * 2 + [3])
    found = weights.of_classes(labels, 4, "balanced")
    np.testing.assert_allclose(found, [0.5, 1.5, 0, 3])
    assert found[labels].mean() == 1
    assert weights.of_classes(labels, 4, "none").tolist() == [1] * 4


@pytest.mark.parametrize("kind", [k for k in OPTIONS if k not in ("knn", "prototype")])
def test_balanced_weights_find_more_of_a_rare_class(kind):
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 10 == 0).astype(int)
    x = (y[:, None] + rng.normal(size=(400, 3))).astype(np.float32)
    more = {"epochs": 150} if kind in ("softmax", "mlp") else {}
    found = {
        how: answers(kind, fit(kind, x, labels=y, classes=2, class_weights=how, **more), x)
        for how in weights.NAMES
    }
    recall = {how: (p.argmax(axis=1) == 1)[y == 1].mean() for how, p in found.items()}
    assert recall["balanced"] > recall["none"] + 0.2


@pytest.mark.parametrize("kind", ["knn", "prototype"])
def test_weights_without_a_meaning_are_refused(kind):
    with pytest.raises(InputError, match=rf"head.class_weights: balanced .* kind {kind}; "):
        fit(kind, class_weights="balanced")


# --- what careless and hostile users give -----------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_features_that_are_not_numbers_are_refused(kind, value):
    x, _ = blobs()
    x[7, 3] = value
    with pytest.raises(InputError, match=r"training features .* not finite or too large"):
        fit(kind, x)
    p = fitted(kind)
    if not np.isfinite(value):
        with pytest.raises(InputError, match=r"row 7 of the features gives no probabilities"):
            p.probabilities((x,))


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_alone_is_refused(kind):
    with pytest.raises(InputError, match=f"the kind {kind} needs .* two classes; received 1"):
        fit(kind, labels=np.zeros(70, int))


@pytest.mark.parametrize("kind", KINDS)
def test_one_image_a_class_still_gives_a_head(kind):
    x = np.eye(4, dtype=np.float32)
    found = fit(kind, x, labels=np.arange(4))
    assert answers(kind, found, x).argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert found.selection["folds"] == 0
    assert found.selection["temperature"] == 1
    assert found.selection["note"] == "classes held out otherwise: 4 never, having one image"


@pytest.mark.parametrize("kind", KINDS)
def test_constant_features_give_even_odds(kind):
    x, y = np.full((30, 5), 3, np.float32), np.arange(30) % 3
    p = answers(kind, fit(kind, x, labels=y, classes=3), x)
    np.testing.assert_allclose(p, 1 / 3, atol=0.3 if kind == "knn" else 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_an_absent_class_do_no_harm(kind):
    x, y = blobs()
    x, y = np.repeat(x, 3, axis=0), np.repeat(np.where(y == 2, 1, y), 3)
    found = fit(kind, x, labels=y)
    p = answers(kind, found, x)
    assert np.isfinite(p).all()
    assert p[:, 2].max() < 0.3
    assert (p.argmax(axis=1) == y).mean() > 0.9


def test_more_neighbours_than_rows_are_refused():
    with pytest.raises(InputError, match=r"head.neighbours is 71, but there are 70 training rows"):
        fit("knn", neighbours=71)
    assert fit("knn", neighbours=70).selection["neighbours"] == 70


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_do_not_fit_in_memory_are_refused(kind, monkeypatch):
    monkeypatch.setattr(training, "LIMIT", 2000 if kind not in training.IN_PASSES else 700)
    with pytest.raises(InputError, match=r"70 rows of 10 features, .* softmax, which reads? them"):
        fit(kind)


@pytest.mark.parametrize("kind", training.IN_PASSES)
@pytest.mark.parametrize("transform", ["auto", *transforms.NAMES])
def test_least_squares_reads_rows_that_do_not_fit_in_memory(kind, transform, monkeypatch):
    x, y = blobs()
    within = fit("ridge", x, labels=y, transform=transform)
    monkeypatch.setattr(training, "LIMIT", 2000)
    found = kinds.fit(kind, (x,), y, 4, OPTIONS["ridge"] | {"transform": transform})
    assert found.selection["kind"] == "ridge"
    assert found.selection.keys() == within.selection.keys()
    for name in ("strength", "transform", "folds"):
        assert found.selection[name] == within.selection[name]
    for name, array in within.arrays.items():
        np.testing.assert_allclose(found.arrays[name], array, rtol=1e-3, atol=1e-3)


def test_groups_of_other_images_are_refused():
    with pytest.raises(InputError, match="70 training images have 9 groups"):
        fit("ridge", groups=np.arange(9))


# --- the baselines ----------------------------------------------------------------------------


def test_prototypes_are_class_means():
    x, y = blobs()
    found = fit("prototype", transform="none")
    means = np.stack([x[y == c].mean(axis=0) for c in range(4)])
    nearest = ((x[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.array_equal(answers("prototype", found, x).argmax(axis=1), nearest)


def test_an_image_does_not_make_its_own_prototype():
    """Two images a class, each nearer to another class's: every one is wrong when held out."""
    x = np.array([[0, 0], [0, 9], [1, 9], [1, 0]], np.float32)
    found = fit("prototype", x, labels=np.array([0, 0, 1, 1]), classes=2, transform="none")
    assert found.selection["fold_accuracy"] == 0


def test_neighbours_vote_by_similarity():
    references = knn.unit(np.array([[1, 0], [1, 0.1], [0, 1]], np.float32))
    query, classes = np.array([[1, 0]], np.float32), np.array([0, 1, 2])
    found = knn.logits(query, references, classes, 3, (1, 3))
    cosines = references @ query[0]
    shares = np.exp(cosines / 0.07) / np.exp(cosines / 0.07).sum()
    np.testing.assert_allclose(found[3][0], np.log(shares + 1 / 9), rtol=1e-5)
    np.testing.assert_allclose(found[1][0], np.log([4 / 3, 1 / 3, 1 / 3]), rtol=1e-5)


def test_one_neighbour_knows_the_training_rows():
    x, y = blobs()
    assert np.array_equal(answers("knn", fit("knn", neighbours=1), x).argmax(axis=1), y)


# --- damaged files ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_that_lacks_an_array_is_refused(kind, tmp_path):
    for name in fitted(kind).arrays:
        fitted(kind).save(tmp_path / "head.npz")
        damage(tmp_path / "head.npz", **{f"array/{name}": None})
        with pytest.raises(InputError, match="is not a whole head: it must hold the arrays root, "):
            trained.load(tmp_path / "head.npz")


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        ("logistic", "root", np.zeros(2, bool), r"root must be true or false; received bool \[2\]"),
        ("ridge", "root", np.array("yes"), "root must be true or false; received <U3"),
        ("ridge", "bias", np.zeros(3, np.float32), "don't fit together"),
        ("prototype", "kernel", np.zeros(3, np.float32), "don't fit together"),
        ("prototype", "kernel", np.array([["a"] * 4]), "must be numbers; received <U1"),
        ("knn", "references", np.zeros((0, 10), np.float32), "don't fit together"),
        ("knn", "shift", np.zeros(3, np.float32), r"don't fit together: shift \[3\]"),
        ("knn", "classes", np.full(70, 4), "its classes must lie in 0..3"),
        ("knn", "neighbours", np.array(0), "its neighbours in 1..70; .* 0 neighbours"),
        ("knn", "temperature", np.array("1"), "other kinds than they must be: temperature <U1"),
        ("knn", "n_classes", np.array(5), "names 4 classes, but its arrays tell 5 apart"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(kind, name, value, message, tmp_path):
    fitted(kind).save(tmp_path / "head.npz")
    damage(tmp_path / "head.npz", **{f"array/{name}": value})
    with pytest.raises(InputError, match=message):
        trained.load(tmp_path / "head.npz")
