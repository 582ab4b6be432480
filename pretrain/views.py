"""Augmented views of a picture: a part of it, turned, in another light, coarse or not, as a camera
and a file format may have left it.  What the teachers give for a view is what the student is to
give for it, so nothing here needs to keep a label."""

import io

import numpy as np
from PIL import Image, ImageFilter


def cut(pixels, side, rng, coarse, mirrored, least=0.25):
    """uint8 RGB [side, side, 3] of `pixels` [H, W, 3]; `rng`: what draws it.

    least: the smallest part of the area that may be seen;
    coarse: chance of passing through 24 to 64 pixels a side, as the pictures of small datasets do;
    mirrored: whether half of the views may be mirrored.
    """
    picture = Image.fromarray(pixels)
    if mirrored and rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        picture = picture.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR)
    fine = side if rng.random() >= coarse else int(rng.integers(24, 65))
    picture = picture.resize(
        (fine, fine), Image.Resampling.BILINEAR, box=_box(picture.size, rng, least)
    )
    picture = Image.fromarray(_lit(np.asarray(picture, np.float32) / 255, rng))
    if rng.random() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.2:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(25, 90)))
        picture = Image.open(file)
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))


def _box(size, rng, least):
    """(left, upper, right, lower) of a part of `least` to all of the area."""
    area, aspect = rng.uniform(least, 1), np.exp(rng.uniform(-0.25, 0.25))
    extent = np.minimum(np.sqrt(area) * np.array([aspect, 1 / aspect]), 1) * size
    corner = rng.uniform(0, 1, 2) * (size - extent)
    return (*corner, *(corner + extent))


def _lit(values, rng):
    """uint8 of `values` [h, w, 3] in 0..1 in another light, colour and contrast, with noise."""
    values = values ** np.exp(rng.uniform(-0.4, 0.4))
    grey = values.mean(axis=2, keepdims=True)
    colour = 0 if rng.random() < 0.05 else rng.uniform(0.5, 1.4)
    values = grey + (values - grey) * colour
    values = values * (np.exp(rng.uniform(-0.4, 0.3)) * (1 + rng.uniform(-0.1, 0.1, 3)))
    middle = values.mean()
    values = middle + (values - middle) * np.exp(rng.uniform(-0.4, 0.3))
    if rng.random() < 0.2:
        values = values + rng.normal(size=values.shape) * rng.uniform(0, 0.05)
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
