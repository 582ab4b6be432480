"""Ridge heads: the closed form against scikit-learn's, and held-out scores against refitting."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Scikit

from tests.test_logistic import SHAPES, rows_of
from transfer.heads.methods import chunks, passes, ridge, weights
from transfer.heads.methods.rows import Stacked


def scikit(x, y, weights, alpha):
    model = Scikit(alpha=alpha).fit(x.astype(float), np.eye(4)[y], weights)
    return model.coef_.T, model.intercept_, model


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("how", weights.NAMES)
@pytest.mark.parametrize("strength", [1, 1e-2, 1e-4])
def test_the_optimum_is_scikit_learns(n, d, how, strength):
    rows = rows_of(n, d, how=how)
    kernel, bias = ridge.Ridge(rows).solve(strength)
    expected, intercept, _ = scikit(rows.x, rows.labels, rows.weights, n * strength)
    np.testing.assert_allclose(kernel, expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(bias, intercept, atol=1e-3)


# (26, 4) has fewer features than a fold has rows, (30, 80) fewer rows than features.
@pytest.mark.parametrize(("n", "d"), [*SHAPES, (26, 4)])
@pytest.mark.parametrize("how", weights.NAMES)
@pytest.mark.parametrize("strength", [1, 1e-2, 1e-4])
def test_held_out_scores_are_those_of_a_fit_without_the_fold(n, d, how, strength):
    rows = rows_of(n, d, how=how)
    ((_, scores),) = ridge.Ridge(rows).candidates((strength,))
    # Coordinates are float32, and 1 - H of a fold is the nearer to singular the weaker the penalty.
    for f in range(rows.n_folds):
        seen = rows.fold != f
        *_, model = scikit(rows.x[seen], rows.labels[seen], rows.weights[seen], n * strength)
        np.testing.assert_allclose(scores[0, ~seen], model.predict(rows.x[~seen]), atol=8e-3)


def test_all_views_of_an_image_are_held_out_together():
    rows = rows_of(40, 6, views=2)
    ((_, scores),) = ridge.Ridge(rows).candidates((0.01,))
    assert scores.shape == (2, 40, 4)
    fold, labels = np.tile(rows.fold, 2), np.tile(rows.labels, 2)
    seen = fold != 1
    *_, model = scikit(rows.x[seen], labels[seen], np.ones(seen.sum()), 80 * 0.01)
    expected = model.predict(rows.x[~seen]).reshape(2, -1, 4)
    np.testing.assert_allclose(scores[:, rows.fold == 1], expected, atol=3e-3)


# --- rows that stay on disk -------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("how", weights.NAMES)
@pytest.mark.parametrize("views", [1, 3])
def test_passes_over_the_rows_give_what_rows_in_memory_give(n, d, how, views):
    rows = rows_of(n, d, views=views, how=how)
    rows.fold[:2] = -1  # never held out
    # Its rows are taken as centred, as a transform leaves them.
    rows = replace(rows, x=rows.x - rows.x.mean(axis=0))
    far = replace(rows, x=Stacked(tuple(np.split(rows.x, views))))
    assert far.on_disk
    assert not rows.on_disk
    near, far = ridge.Ridge(rows), passes.Ridge(far)
    strengths = (1, 1e-2, 1e-4)
    pairs = zip(near.candidates(strengths), far.candidates(strengths), strict=True)
    for (one, expected), (other, scores) in pairs:
        assert one == other
        assert scores.dtype == expected.dtype
        np.testing.assert_allclose(scores, expected, atol=8e-3)  # `near` has float32 coordinates
        for a, b in zip(near.solve(one), far.solve(one), strict=True):
            np.testing.assert_allclose(b, a, atol=1e-3 * np.abs(a).max())


def test_chunks_are_added_up(monkeypatch):
    rows = rows_of(40, 6)
    whole = passes.Ridge(rows).solve(0.01)
    monkeypatch.setattr(chunks, "ROWS", 7)
    for a, b in zip(whole, passes.Ridge(rows).solve(0.01), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("numbers", [[0, 3, 4, 9, 11], [5], [], range(12)])
def test_stacked_rows_are_those_of_the_views_one_after_the_other(numbers):
    views = tuple(np.random.default_rng(v).random((4, 3), np.float32) for v in range(3))
    stacked, whole = Stacked(views), np.concatenate(views)
    assert stacked.shape == whole.shape
    assert len(stacked) == 12
    assert np.array_equal(stacked[np.array(numbers, int)], whole[np.array(numbers, int)])
    for start in range(12):
        for stop in range(start, 14):
            assert np.array_equal(stacked[start:stop], whole[start:stop])
