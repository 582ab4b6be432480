"""Transforms: what they do to training rows, and to rows that leave nothing to divide by."""

import numpy as np
import pytest

from tests.examples import blobs
from transfer.heads.methods import transforms


@pytest.mark.parametrize("name", transforms.NAMES)
@pytest.mark.parametrize("scale", [1e-5, 1, 1e5])
def test_training_rows_are_centred_and_of_length_one(name, scale):
    x = blobs(3000)[0] * np.float32(scale)  # of three chunks
    y = transforms.fitted(name, x)(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.mean(axis=0, dtype=float), 0, atol=1e-5)
    assert (y.astype(float) ** 2).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)


def test_standardised_features_have_equal_spread():
    x = blobs()[0] * 10.0 ** np.linspace(0, 1, 10)
    np.testing.assert_allclose(transforms.fitted("standardise", x)(x).std(axis=0), 10**-0.5, 1e-4)


def test_none_keeps_angles():
    x, _ = blobs()
    y, centred = transforms.fitted("none", x)(x), x - x.mean(axis=0)
    np.testing.assert_allclose(y * (centred[0, 0] / y[0, 0]), centred, rtol=1e-3, atol=1e-5)


def test_unit_roots_by_hand():
    x = np.array([[9, -16, 0, 0], [0, 0, 0, 0], [4e-20, 0, 0, 0]], np.float32)
    expected = [[0.6, -0.8, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(transforms.unit_roots(x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", transforms.NAMES)
def test_constant_features_give_nothing(name):
    x = np.full((20, 4), 7, np.float32)
    np.testing.assert_allclose(transforms.fitted(name, x)(x), 0, atol=1e-6)
    x[:, 0] = np.arange(20)
    y = transforms.fitted("standardise", x)(x)
    assert not y[:, 1:].any()
    assert np.isfinite(transforms.fitted("standardise", x)(x + np.float32(1e6))).all()


def test_a_feature_that_is_all_but_constant_is_not_blown_up():
    x = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    x[:, 3] *= 1e-6
    y = transforms.fitted("standardise", x)(x)
    assert np.abs(y[:, 3]).max() < 1e-3 * np.abs(y[:, 0]).max()
