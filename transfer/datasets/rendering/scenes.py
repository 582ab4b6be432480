"""A photo of one road sign: where it stands, what lies around it, its light, and the camera.

Arrays are float32, RGB in 0..1, at twice the size of the photo until the last step.
"""

import numpy as np
from skimage.draw import disk, polygon
from skimage.filters import gaussian
from skimage.transform import ProjectiveTransform, downscale_local_mean, resize, warp

FINE = 2
DISTANCE = 3.0  # of the camera from the sign, in radii of the sign
THINGS = np.array(  # colours of what stands behind: stone, leaves, soil, brick, sky, walls, cars
    [
        [0.45, 0.45, 0.44],
        [0.22, 0.23, 0.25],
        [0.16, 0.28, 0.11],
        [0.33, 0.42, 0.18],
        [0.35, 0.27, 0.18],
        [0.52, 0.27, 0.20],
        [0.58, 0.70, 0.84],
        [0.80, 0.80, 0.78],
        [0.62, 0.10, 0.12],
        [0.10, 0.22, 0.50],
        [0.85, 0.70, 0.20],
    ]
)
DULL = 8  # the first so many may fill the whole background


def photograph(look, face, rng):
    """uint8 RGB [size, size, 3] of the sign `face` [F, F, 4]; `look`: a sample.Look."""
    side = look.size * FINE
    # What lies behind is out of focus, so the photo's own size is fine enough.
    scene = _background(look, look.size, rng).repeat(FINE, axis=0).repeat(FINE, axis=1)
    placed = _placed(look, face, side, rng)
    _add_pole(scene, placed[..., 3], rng)
    sign = placed[..., :3] * _gradient(side, 0.3, rng)[..., None]
    fade = rng.uniform(0, 0.35)  # old paint pales
    sign = sign * (1 - fade) + fade * sign.mean(axis=2, keepdims=True)
    scene = scene * (1 - placed[..., 3:]) + sign * placed[..., 3:]
    if rng.random() < look.occlusion:
        _occlude(scene, placed[..., 3], rng)
    return _exposed(look, _lit(look, scene, rng), rng)


def _background(look, side, rng):
    top, bottom = THINGS[rng.integers(DULL, size=2)] * rng.uniform(0.6, 1.2, (2, 1))
    rows = np.linspace(0, 1, side)[:, None, None]
    scene = np.broadcast_to(top * (1 - rows) + bottom * rows, (side, side, 3)).copy()
    for _ in range(rng.integers(look.clutter // 3, look.clutter, endpoint=True)):
        colour = _paint(rng)
        scene[_shape(side, rng.uniform(0, side, 2), rng.uniform(0.05, 0.35) * side, rng)] = colour
    texture = sum(
        resize(rng.normal(size=(n, n)), (side, side), order=1) * rng.uniform(0.02, 0.12)
        for n in (6, 16, 48)
    )
    scene = (scene + texture[..., None]).astype(np.float32)
    sigma = rng.uniform(0, 1.5)
    return np.clip(gaussian(scene, (sigma, sigma, 0)), 0, 1)


def _paint(rng):
    return np.clip(THINGS[rng.integers(len(THINGS))] * rng.uniform(0.5, 1.3), 0, 1)


def _shape(side, centre, radius, rng):
    """Pixels (rows, columns) of a bar, a disk or a ragged polygon."""
    kind = rng.integers(3)
    if kind == 0:
        return disk(centre, max(radius / 2, 1), shape=(side, side))
    corners = 4 if kind == 1 else rng.integers(5, 9)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    if kind == 1:  # upright or lying, as walls, posts and kerbs are
        flat = np.arctan(rng.choice([0.15, 0.5, 2.0, 6.0]))
        angles = np.array([flat, np.pi - flat, np.pi + flat, -flat])
    reach = radius * (1 if kind == 1 else rng.uniform(0.4, 1, corners))
    points = np.asarray(centre) + np.stack([np.sin(angles), np.cos(angles)], 1) * np.c_[reach]
    return polygon(*points.T, shape=(side, side))


def _placed(look, face, side, rng):
    """The face in the picture, [side, side, 4]: turned, tilted, scaled and seen in perspective."""
    turn = np.deg2rad(rng.uniform(-look.turn, look.turn))
    pitch, yaw = np.deg2rad(rng.uniform(-look.tilt, look.tilt, 2))
    radius = rng.uniform(*look.scale) * side / 2
    middle = side / 2 + rng.uniform(-look.shift, look.shift, 2) * side
    rotation = _about(2, turn) @ _about(0, pitch) @ _about(1, yaw)
    # A point (x, y, 0) of the sign, rotated and moved away from the camera, is seen at
    # middle + radius * DISTANCE * (X / Z, Y / Z): a homography of (x, y, 1).
    seen = np.column_stack([rotation[:, :2], [0, 0, DISTANCE]])
    camera = np.array(
        [[radius * DISTANCE, 0, middle[0]], [0, radius * DISTANCE, middle[1]], [0, 0, 1]]
    )
    half = face.shape[0] / 2
    from_pixels = np.array([[1 / half, 0, -1], [0, 1 / half, -1], [0, 0, 1]])
    placing = ProjectiveTransform(camera @ seen @ from_pixels)
    premultiplied = np.dstack([face[..., :3] * face[..., 3:], face[..., 3:]])
    placed = warp(premultiplied, placing.inverse, output_shape=(side, side), order=1)
    coverage = placed[..., 3:]
    placed[..., :3] /= np.maximum(coverage, 1e-6)
    return placed


def _about(axis, angle):
    """Rotation by `angle` radians about the axis 0 (x), 1 (y) or 2 (z)."""
    a, b = [i for i in range(3) if i != axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[b, a], matrix[a, b] = np.sin(angle), -np.sin(angle)
    return matrix


def _add_pole(scene, coverage, rng):
    if coverage.max() < 0.5:
        return
    side = len(scene)
    rows, columns = np.nonzero(coverage > 0.5)
    width, lean = rng.uniform(0.02, 0.05) * side, rng.uniform(-0.05, 0.05) * side
    top, x = rows.mean(), columns.mean()
    corners = [
        (top, x - width),
        (top, x + width),
        (side, x + width + lean),
        (side, x - width + lean),
    ]
    scene[polygon(*np.transpose(corners), shape=(side, side))] = rng.uniform(0.3, 0.65)


def _gradient(side, depth, rng):
    """Brightness [side, side] around 1 that falls off in a drawn direction."""
    angle = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, side)
    slope = np.cos(angle) * across[:, None] + np.sin(angle) * across[None, :]
    return (1 + rng.uniform(0, depth) * slope).astype(np.float32)


def _occlude(scene, coverage, rng):
    """Leaves or a bar over the rim of the sign, which leave most of its symbol to be seen."""
    side = len(scene)
    rows, columns = np.nonzero(coverage > 0.5)
    if len(rows) == 0:
        return
    middle = np.array([rows.mean(), columns.mean()])
    reach = np.sqrt(len(rows) / np.pi)
    angle = rng.uniform(0, 2 * np.pi)
    centre = middle + reach * rng.uniform(0.6, 1.0) * np.array([np.sin(angle), np.cos(angle)])
    colour = _paint(rng)
    for _ in range(rng.integers(2, 7)):
        at = centre + rng.normal(size=2) * reach * 0.2
        shape = _shape(side, at, reach * rng.uniform(0.15, 0.45), rng)
        scene[shape] = np.clip(colour * rng.uniform(0.7, 1.3), 0, 1)


def _lit(look, scene, rng):
    side = len(scene)
    light = _gradient(side, 0.35, rng)
    if rng.random() < look.shadow:
        edge = _gradient(side, 4.0, rng) > rng.uniform(0.4, 1.6)
        light = light * (1 - rng.uniform(0.3, 0.6) * gaussian(edge.astype(np.float32), 2))
    cast = 1 + rng.uniform(-look.cast, look.cast, 3)
    gain, gamma = np.exp(rng.uniform(*np.log(look.gain))), rng.uniform(*look.gamma)
    return np.clip(scene, 0, 1) ** gamma * light[..., None] * (cast * gain).astype(np.float32)


def _exposed(look, scene, rng):
    # Different blur along rows and columns stands for a moving camera.
    scene = gaussian(scene, (*rng.uniform(0, look.blur * FINE, 2), 0))
    scene = downscale_local_mean(scene, (FINE, FINE, 1))
    scene = scene + rng.normal(size=scene.shape) * rng.uniform(0, look.noise)
    return (np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8)
