"""Logistic heads: the optimum against scikit-learn's, for few rows and for many, and the folds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.examples import blobs
from transfer.heads.choosing import folds, training
from transfer.heads.methods import logistic, stacks, weights

SHAPES = [(200, 10), (30, 80)]  # rows and features: more of the ones, more of the others


def rows_of(n=200, d=10, *, views=1, how="none", number=3, c=4):
    """A Training of rows that are not centred, of classes that are not equally many."""
    x, y = blobs(n, d, c)
    y = np.where(np.arange(n) % 5 == 0, 0, y)
    x = np.tile(x + np.random.default_rng(1).normal(size=(n, 1)), (views, 1))
    dealt = folds.dealt(y, None, number, 0)
    parts = tuple(np.split(x.astype(np.float32), views))
    return training.of(parts, y, c, "logistic", dealt, weights.of_classes(y, c, how)[y])


def softmax(logits):
    return np.exp(stacks.log_softmax(logits))


def scikit(x, y, strength, sample_weight):
    # Its C multiplies the summed loss, and its penalty is 1/2 |W|^2.
    c = 1 / (strength * sample_weight.sum())
    model = LogisticRegression(C=c, tol=1e-10, max_iter=20_000)
    return model.fit(x.astype(float), y, sample_weight)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("how", weights.NAMES)
@pytest.mark.parametrize("strength", [0.1, 1e-3])
def test_the_optimum_is_scikit_learns(n, d, how, strength):
    rows = rows_of(n, d, how=how)
    kernel, bias = logistic.Logistic(rows).solve(strength)
    model = scikit(rows.x, rows.labels, strength, rows.weights)
    # The loss is flat there: float32 tells weights apart to about a hundredth of their size.
    np.testing.assert_allclose(kernel, model.coef_.T, atol=0.01 * np.abs(model.coef_).max())
    np.testing.assert_allclose(
        softmax(rows.x @ kernel + bias), model.predict_proba(rows.x), atol=3e-3
    )


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_a_held_out_image_is_not_looked_at(monkeypatch, n, d):
    rows = rows_of(n, d)
    monkeypatch.setattr(logistic, "ROUGH", logistic.FINE)
    ((_, logits),) = logistic.Logistic(rows).candidates((0.01,))
    for f in range(rows.n_folds):
        seen = rows.fold != f
        model = scikit(rows.x[seen], rows.labels[seen], 0.01, rows.weights[seen])
        expected = model.predict_proba(rows.x[~seen])
        np.testing.assert_allclose(softmax(logits[0, ~seen]), expected, atol=5e-3)


def test_two_equal_views_are_one():
    one, two = (logistic.Logistic(rows_of(views=v)) for v in (1, 2))
    ours, theirs = one.solve(0.01), two.solve(0.01)
    assert next(two.candidates((0.01,)))[1].shape == (2, 200, 4)
    np.testing.assert_allclose(ours[0], theirs[0], atol=0.01)
    np.testing.assert_allclose(ours[1], theirs[1], atol=0.01)


def test_the_start_of_a_path_does_not_show(monkeypatch):
    monkeypatch.setattr(logistic, "ROUGH", logistic.FINE)
    fitter = logistic.Logistic(rows_of())
    (_, _, warm), (cold,) = list(fitter.candidates((0.1, 0.03, 0.01))), fitter.candidates((0.01,))
    np.testing.assert_allclose(softmax(warm[1][0]), softmax(cold[1][0]), atol=5e-3)


def test_the_gradient_is_the_slope_of_the_loss():
    """By the optimum: no step from it, in any of some directions, gains."""
    rows = rows_of(60, 5)
    kernel, bias = logistic.Logistic(rows).solve(0.01)

    def loss(kernel):
        log_p = stacks.log_softmax(rows.x @ kernel + bias)
        return -log_p[np.arange(60), rows.labels].mean() + 0.005 * (kernel**2).sum()

    rng = np.random.default_rng(0)
    for _ in range(20):
        step = 0.05 * rng.normal(size=kernel.shape)
        assert loss(kernel + step) > loss(kernel)


def test_features_without_spread_leave_the_share_of_each_class():
    y = np.array([0, 0, 0, 1])
    dealt = folds.dealt(y, None, 2, 0)
    rows = training.of((np.zeros((4, 3), np.float32),), y, 2, "logistic", dealt, np.ones(4))
    kernel, bias = logistic.Logistic(rows).solve(0.1)
    assert not kernel.any()
    np.testing.assert_allclose(np.exp(stacks.log_softmax(bias[None]))[0], [0.75, 0.25], atol=1e-3)
