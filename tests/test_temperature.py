"""The temperature: it is found again on logits of known certainty, for one view and for several."""

import numpy as np
import pytest

from transfer.heads.choosing import temperature
from transfer.heads.methods import stacks


def drawn(n, c, seed=0):
    """(logits [n, c], labels drawn from their softmax)."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, c))
    p = np.exp(stacks.log_softmax(logits))
    return logits, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=c - 1)


@pytest.mark.parametrize("t", [0.05, 0.5, 1, 3, 40])
def test_a_known_temperature_is_found(t):
    logits, labels = drawn(20_000, 5)
    assert temperature.fit(t * logits[None], labels) == pytest.approx(t, rel=0.03)


def test_equal_views_are_one():
    logits, labels = drawn(500, 4)
    one = temperature.fit(2 * logits[None], labels)
    assert temperature.fit(np.stack([2 * logits] * 3), labels) == pytest.approx(one, rel=1e-3)


def test_what_is_calibrated_is_the_average():
    logits, labels = drawn(5_000, 4)
    rng = np.random.default_rng(1)
    views = np.stack([logits + 3 * rng.normal(size=logits.shape) for _ in range(4)])
    t = temperature.fit(views, labels)
    rows = np.arange(len(labels))
    losses = [-temperature.averaged(views, t * f)[rows, labels].mean() for f in (0.97, 1, 1.03)]
    assert losses[1] == min(losses)
    # An average of four noisy views is less certain than each: it is calibrated by a smaller T.
    assert t < 0.8 * temperature.fit(views[:1], labels)


def test_averages_are_of_probabilities():
    views = np.log([[[0.9, 0.1]], [[0.2, 0.8]]])
    np.testing.assert_allclose(np.exp(temperature.averaged(views)), [[0.55, 0.45]])


def test_always_right_gives_no_zero_and_no_images_give_one():
    t = temperature.fit(10 * np.eye(3)[None], np.arange(3))
    assert 0 < np.exp(-temperature.WIDEST) <= t < 10
    assert temperature.fit(np.zeros((1, 0, 3)), np.zeros(0, int)) == 1
    assert np.isfinite(temperature.fit(np.zeros((1, 4, 3)), np.array([0, 1, 2, 0])))
