"""Reports: every metric against hand-computed values, intervals by simulation, the files."""

import json
import math

import numpy as np
import pytest

from tests.answered import answered, told
from tests.evaluated import prepare, run_stage
from tests.examples import blobs, fitted, write_pack
from transfer.datasets import index
from transfer.errors import InputError
from transfer.reports import answers, intervals, metrics, plots, predictions, summary

# Five images of three classes; predicted 0, 1, 1, 2, 0.
P = np.array(
    [[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]],
    np.float32,
)
LABELS = np.array([0, 0, 1, 2, 2])


def measure(*given):
    return metrics.measure(answered(*given))


def test_metrics_by_hand():
    found = measure(P, LABELS)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    # F1 = 2 right / (images + predictions): 2/4, 2/3, 2/3
    assert found["macro_f1"] == pytest.approx((2 / 4 + 2 / 3 + 2 / 3) / 3)
    true = [0.7, 0.3, 0.8, 0.6, 0.2]
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(true)))
    # Each confidence .7, .6, .8, .6, .5 stands in a bin of its own but the two of .6: one right,
    # one wrong.
    assert found["ece"] == pytest.approx((0.3 + abs(1 - 1.2) + 0.2 + 0.5) / 5)
    assert (found["n"], found["n_groups"]) == (5, 5)
    assert "top5" not in found
    assert set(found) == {
        *("accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "ece"),
        *("ece_by_chance", "log_loss", "macro_f1", "n", "n_groups"),
    }


def test_classes_without_images_do_not_count():
    found = measure(P[:3], LABELS[:3])
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_top5_counts_the_five_best():
    p = np.tile(np.array([0.3, 0.2, 0.15, 0.13, 0.12, 0.1], np.float32), (6, 1))
    found = measure(p, np.arange(6))
    assert found["top5"] == pytest.approx(5 / 6)
    even = np.full((6, 6), 1 / 6)
    assert answers.ranks(even, np.arange(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert "top5" not in measure(p[:, :5], np.arange(5)[[0, 1, 2, 3, 4, 0]])


def test_an_impossible_class_has_a_finite_loss():
    p = np.array([[1, 0], [1, 0]], np.float32)
    found = measure(p, np.array([0, 1]))
    assert found["log_loss"] == pytest.approx(-math.log(np.finfo(np.float32).eps) / 2)


def test_ece_of_constructed_confidences():
    ece = metrics.expected_calibration_error
    sure = np.repeat([0.9, 0.5], [10, 4])
    right = np.array([1] * 9 + [0] + [1, 1, 0, 0], bool)
    assert ece(sure, right) == pytest.approx(0, abs=1e-12)
    assert ece(np.ones(8), np.zeros(8, bool)) == 1
    assert ece(np.full(10, 0.9), np.arange(10) < 5) == pytest.approx(0.4)
    # 1/15 belongs to the first bin and a little more to the second: they don't cancel.
    assert ece(np.array([1 / 15, 1 / 15 + 1e-9]), np.array([True, False])) == pytest.approx(0.5)


@pytest.mark.parametrize("n", [125, 2500])
def test_the_ece_of_right_confidences_is_that_of_chance(n):
    rng = np.random.default_rng(0)
    confidence = rng.beta(4, 1, n)
    drawn = [
        metrics.expected_calibration_error(confidence, rng.random(n) < confidence)
        for _ in range(400)
    ]
    expected = metrics.calibration_error_by_chance(confidence)
    assert expected == pytest.approx(np.mean(drawn), rel=0.05)
    assert metrics.calibration_error_by_chance(np.ones(n)) == 0


def test_metrics_do_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(7), 90), rng.integers(0, 7, 90)
    groups = np.array([f"g{i // 3}" for i in range(90)])
    order = rng.permutation(90)
    one = measure(p, labels, groups)
    two = measure(p[order], labels[order], groups[order])
    assert one == pytest.approx(two, abs=1e-12)


# --- answers ----------------------------------------------------------------------------------


def test_answers_do_not_depend_on_the_chunks():
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(7), 90).astype(np.float32), rng.integers(0, 7, 90)
    p[::4] = p[0]  # ties between images
    p[1::4, 3] = p[1::4].max(axis=1)  # and between classes
    whole = answered(p, labels)
    parts = answers.of("test", whole.pack, whole.classes, "mirror", np.array_split(p, 11))
    for name in ("predicted", "confidence", "log_probability", "rank", "group"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), name)
    assert ((whole.rank == 0) == (whole.predicted == labels)).all()


def test_names_are_numbered_as_they_are_equal(monkeypatch):
    monkeypatch.setattr(answers, "BLOCK", 7)
    names = np.array([f"{'é' * (i % 13)}{i % 5}" for i in range(200)] + ["", "\udcff", " "])
    found = answers.numbered(names)
    _, expected = np.unique(names, return_inverse=True)
    assert len(set(zip(found.tolist(), expected.tolist(), strict=True))) == expected.max() + 1
    assert set(found.tolist()) == set(range(expected.max() + 1))
    assert answers.numbered(names[:0]).tolist() == []


def test_rows_of_a_foreign_pack_are_named_by_their_number():
    p = np.tile(np.array([0.75, 0.25], np.float32), (3, 1))
    found = answered(p, [0, 1, 0])
    rows = list(predictions.rows(found))
    assert rows[1] == (1, "validation", 1, "c1", "c0", "0.75", "-1.38629", "mirror")
    assert list(predictions.rows(found, np.array([2, 0]))) == [rows[2], rows[0]]
    assert [row["id"] for row in predictions.wrong(found)] == [1]
    assert metrics.measure(found)["n_groups"] == 3


# --- intervals --------------------------------------------------------------------------------


def test_wilson_known_answers():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for right, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = intervals.wilson(right / n, n)
        assert found == pytest.approx((low, high), abs=6e-5)
        mirrored = intervals.wilson(1 - right / n, n)
        assert mirrored == pytest.approx((1 - found[1], 1 - found[0]), abs=1e-12)


def test_wilson_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for n, p in ((50, 0.8), (200, 0.9), (1000, 0.6)):
        ends = np.array([intervals.wilson(k / n, n) for k in rng.binomial(n, p, 4000)])
        covered = ((ends[:, 0] <= p) & (p <= ends[:, 1])).mean()
        assert 0.93 < covered < 0.975


def test_bootstrap_covers_where_wilson_would_not():
    # 60 tracks of 10 frames; a track's own accuracy is drawn first, so frames hang together.
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 10)
    by_group = by_image = 0
    for _ in range(300):
        correct = rng.random(600) < np.repeat(rng.beta(1.5, 0.5, 60), 10)
        low, high = intervals.accuracy_interval(correct, groups)
        by_group += low <= 0.75 <= high
        low, high = intervals.accuracy_interval(correct)
        by_image += low <= 0.75 <= high
    assert by_group / 300 > 0.9
    assert by_image / 300 < 0.75


def test_perfectly_correlated_groups_are_as_wide_as_their_number():
    right = np.arange(100) < 80
    frames, tracks = np.repeat(right, 30), np.repeat(np.arange(100), 30)
    low, high = intervals.accuracy_interval(frames, tracks)
    narrow = intervals.accuracy_interval(frames)
    assert high - low > 4 * (narrow[1] - narrow[0])  # sqrt 30 times
    expected = intervals.wilson(0.8, 100)
    assert (low, high) == pytest.approx(expected, abs=0.02)


def test_groups_of_one_are_independent_images():
    correct = np.arange(50) % 5 > 0
    assert intervals.accuracy_interval(correct, np.arange(50)[::-1]) == intervals.wilson(0.8, 50)


@pytest.mark.parametrize("value", [True, False])
def test_all_right_or_wrong_falls_back_to_groups(value):
    correct, groups = np.full(40, value), np.repeat(np.arange(8), 5)
    found = intervals.accuracy_interval(correct, groups)
    assert found == intervals.wilson(float(value), 8)


def test_pairs_of_groups_are_drawn_as_groups_would_be():
    # The shortcut over equal (right, images) against drawing the groups themselves.
    rng = np.random.default_rng(0)
    right, images = rng.integers(0, 4, 40), np.full(40, 3)
    drawn = rng.integers(0, 40, (20000, 40))
    plain = np.quantile(right[drawn].sum(axis=1) / images[drawn].sum(axis=1), [0.025, 0.975])
    assert intervals.bootstrap(right, images) == pytest.approx(plain, abs=0.015)


def test_a_resampling_in_pieces_is_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    images = rng.integers(1, 30, 500)
    right = rng.integers(0, images + 1)
    found = intervals.bootstrap(right, images)
    for drawn in (1, 900, 10**9):
        monkeypatch.setattr(intervals, "DRAWN", drawn)
        assert intervals.bootstrap(right, images) == found
    pairs, times = intervals._pairs(right, images)
    both = np.stack([right, images], axis=1)
    expected, counts = np.unique(both, axis=0, return_counts=True)
    assert pairs.tolist() == expected.tolist()
    assert times.tolist() == counts.tolist()


# --- files ------------------------------------------------------------------------------------


def row(id_, label, split, problem=""):
    return index.Row(id_, f"{id_}.png", label, split, id_, f"sha-{id_}", problem)


def test_summary_tells_unreadable_from_set_aside():
    copy = f"{index.SET_ASIDE} under another label: b (i1)"
    rows = [row(f"i{n}", "ab"[n % 2], "", copy) for n in range(3)]
    rows += [row("i4", "a", "", "truncated file"), row("t", "a", "test")]
    rows += [row("i5", "a", "train"), row("i6", "b", "train"), row("i7", "b", "train")]
    counts = summary.census(iter(rows))
    assert counts.training == {"a": 1, "b": 2}
    found = summary.summary(fitted(), {}, 3, counts, 2, "own")
    assert (found["n_unreadable"], found["n_set_aside"], found["n_train"]) == (1, 3, 3)
    assert found["n_classes_short"] == 1
    assert summary.summary(fitted(), {}, 3, counts, "all", "own")["n_classes_short"] == 0
    assert (found["data"], found["weights"]) == ("own", "untrained")


def test_a_tiny_strength_keeps_its_digits(tmp_path):
    summary.write(tmp_path / "m.json", {"head": {"strength": 3.16227766e-8, "temperature": 1 / 3}})
    found = json.loads((tmp_path / "m.json").read_text())
    assert found == {"head": {"strength": 3.16228e-8, "temperature": 0.333333}}


def test_written_json_is_sorted_and_rounded(tmp_path):
    summary.write(tmp_path / "m.json", {"b": 1 / 3, "a": {"z": 2, "y": 1.0}})
    text = (tmp_path / "m.json").read_text()
    assert text == '{\n  "a": {\n    "y": 1.0,\n    "z": 2\n  },\n  "b": 0.333333\n}\n'


def test_curves_have_all_columns(tmp_path):
    plots.curves(
        tmp_path / "c.csv", {"acc": np.array([0.5, 1]), "loss": np.array([1 / 3, 1e-9])}, "mirror"
    )
    expected = (
        "epoch,loss,val_loss,acc,val_acc,weights\n1,0.333333,,0.5,,mirror\n2,1e-09,,1,,mirror\n"
    )
    assert (tmp_path / "c.csv").read_text() == expected
    plots.curves(tmp_path / "c.csv", {}, "mirror")
    assert (tmp_path / "c.csv").read_text() == "epoch,loss,val_loss,acc,val_acc,weights\n"


def test_validation_is_shown_else_test():
    assert plots.shown({"validation": 3, "test": 5}) == "validation"
    assert plots.shown({"validation": 0, "test": 5}) == "test"
    assert plots.shown({"validation": 3, "test": 5}, ("test", "validation")) == "test"
    none = told(classes="ab")
    assert plots.shown({"validation": none, "test": none}) == "test"
    assert plots.shown({"validation": told(("g", "a", "a"), classes="ab"), "test": none}) != "test"


def test_confusion_has_a_row_an_image(tmp_path):
    plots.confusion(tmp_path / "c.csv", told(("g", "a, b", "x"), classes=["x", "a, b"]))
    assert (tmp_path / "c.csv").read_text() == 'actual,predicted,weights\n"a, b",x,mirror\n'
    plots.confusion(tmp_path / "c.csv", told(classes="ab"))
    assert (tmp_path / "c.csv").read_text() == "actual,predicted,weights\n"


def test_recall_has_a_row_a_class_and_counts_a_group_once(tmp_path):
    images = [("g", "b", "b")] * 3 + [("h", "b", "a"), ("i", "a", "a")]
    plots.recall(tmp_path / "r.csv", told(*images, classes=["b", "c", "a"]))
    b, c, a = predictions.read(tmp_path / "r.csv", plots.RECALL)
    low, high = intervals.wilson(0.75, 2)
    assert (float(b["recall"]), b["right"], b["n"], b["n_groups"]) == (0.75, "3", "4", "2")
    assert (float(b["low"]), float(b["high"])) == pytest.approx((low, high), abs=1e-6)
    assert list(c.values()) == ["c", "", "", "", "0", "0", "0", "mirror"]
    assert (a["class"], a["recall"], a["high"]) == ("a", "1", "1")


def test_a_group_of_two_labels_counts_for_both(tmp_path):
    plots.recall(tmp_path / "r.csv", told(("g", "a", "a"), ("g", "b", "a"), classes="ab"))
    rows = predictions.read(tmp_path / "r.csv", plots.RECALL)
    assert [(row["n_groups"], row["recall"]) for row in rows] == [("1", "1"), ("1", "0")]


def test_a_table_is_read_as_written_or_refused(tmp_path):
    rows = [('a, "b"\nc', "1")]
    predictions.write(tmp_path / "t.csv", rows, ("name", "n"))
    assert predictions.read(tmp_path / "t.csv", ("name", "n")) == [{"name": 'a, "b"\nc', "n": "1"}]
    with pytest.raises(InputError, match=r"t.csv has the columns name, n; expected name, weights"):
        predictions.read(tmp_path / "t.csv", ("name", "weights"))
    with pytest.raises(InputError, match=r"u.csv is not here; run `dvc repro`"):
        predictions.read(tmp_path / "u.csv")
    for damaged in (b"", b"name,n\n1\n", b"\xff\xfe", b'name,n\n"a,1'):
        (tmp_path / "t.csv").write_bytes(damaged)
        with pytest.raises(InputError, match=r"t.csv (is not a table|has the columns)"):
            predictions.read(tmp_path / "t.csv", ("name", "n"))


def part(accuracy, n, n_groups=None):
    low, high = intervals.wilson(accuracy, n_groups or n)
    return {"accuracy_low": low, "accuracy_high": high, "n": n, "n_groups": n_groups or n}


def test_an_accuracy_of_few_images_or_groups_is_said_to_mean_little():
    few = {"validation": part(2 / 3, 3), "test": part(1.0, 1)}
    assert summary.doubts(few) == [
        "validation has 3 images, too few to tell the accuracy: its 95 % interval is 0.21 to 0.94; "
        "add images",
        "test has 1 image, too few to tell the accuracy: its 95 % interval is 0.21 to 1.00; add "
        "images",
    ]
    assert summary.doubts({"test": part(0.5, 92)})
    assert not summary.doubts({"test": part(0.5, 93)})
    assert not summary.doubts({"validation": part(0.9, 40)})
    (doubt,) = summary.doubts({"test": part(0.5, 3000, 30)})
    assert doubt.startswith("test has 3,000 images in 30 groups, too few")
    assert summary.doubts({}) == []


# --- the stage --------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    return tmp_path


def test_the_stage_writes_everything(workspace, capsys):
    first = run_stage(workspace)
    printed = capsys.readouterr().out
    assert run_stage(workspace) == first
    found = json.loads(first["reports/metrics.json"])
    assert "test" not in found
    assert (found["n_train"], found["n_unreadable"], found["n_set_aside"]) == (70, 1, 0)
    assert found["head"] == {"kind": "softmax"}
    assert (found["data"], found["weights"]) == ("rendered", "untrained")
    rows = predictions.read(workspace / "reports/predictions.csv")
    assert tuple(rows[0]) == predictions.COLUMNS
    assert len(rows) == 30
    right = [r["label"] == r["predicted"] for r in rows]
    assert found["validation"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-6)
    losses = [-float(r["log_probability"]) for r in rows]
    assert found["validation"]["log_loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    lines = {path: len(data.splitlines()) for path, data in first.items() if path.endswith("csv")}
    assert lines == {
        "reports/predictions.csv": 31,
        "reports/confusion.csv": 31,
        "reports/recall.csv": 5,
        "reports/curves.csv": 41,
        "reports/map.csv": 31,
    }
    title, header, line, notes, *doubts = printed.splitlines()
    assert doubts == [f"evaluate: note: {doubt}" for doubt in summary.doubts(found)]
    assert title.endswith("untrained")
    assert "95 % interval" in header
    assert f"{found['validation']['accuracy']:.4f}" in line
    assert "1 unreadable" in notes


def test_the_stage_works_without_an_image_to_measure_on(workspace):
    x, y = blobs()
    write_pack(workspace / "validation.p", x[:0], y[:0])
    found = run_stage(workspace)
    assert "validation" not in json.loads(found["reports/metrics.json"])
    assert len(found["reports/map.csv"].splitlines()) == 1
    assert found["reports/recall.csv"].decode().splitlines()[1] == "a,,,,0,0,0,untrained"


def test_the_stage_refuses_packs_of_another_head(workspace):
    write_pack(workspace / "test.p", *blobs(), size=96)
    with pytest.raises(
        InputError, match=r"test.p was made by another recipe than .*head.npz.* size"
    ):
        run_stage(workspace)
    write_pack(workspace / "test.p", *blobs(), classes="abcde")
    with pytest.raises(InputError, match=r"test.p has other classes than .*: 5 instead of 4"):
        run_stage(workspace)
