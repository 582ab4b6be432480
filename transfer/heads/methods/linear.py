"""Heads that are one affine map and a softmax after a transform: their arrays and probabilities.

    root    whether unit roots of the features come first (transforms.unit_roots): bool []
    kernel  float32 [D, C]
    bias    float32 [C]

The transform's shift and scale, and the temperature, are folded into kernel and bias.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from transfer.errors import InputError
from transfer.heads.methods import stacks, transforms

NAMES = ("root", "kernel", "bias")


# ((x - shift) scale) W + b, divided by T, is x kernel + bias with
#   kernel = scale W / T;  bias = (b - (shift scale) W) / T
def arrays(transform, w, b, t):
    """The arrays of a head with logits (transform(x) w + b) / t; w: [D, C]; b: [C]."""
    w = np.asarray(w, np.float64)
    kernel = transform.scale[:, None] * w / t
    return {
        "root": np.array(transform.is_root),
        "kernel": kernel.astype(np.float32),
        "bias": (b / t - transform.shift @ kernel).astype(np.float32),
    }


def probabilities(arrays, x):
    """float32 [n, C] of rows x [n, D]; NaN in a row that is not finite."""
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        x = transforms.unit_roots(x) if arrays["root"] else np.asarray(x, np.float32)
        return np.exp(stacks.log_softmax(x @ arrays["kernel"] + arrays["bias"]))


def operations(arrays):
    """The chain of operations (kinds.OPERATIONS) from features to the probabilities above."""
    pair = (np.asarray(arrays[name], np.float32) for name in ("kernel", "bias"))
    return [*([("unit_roots",)] if arrays["root"] else []), ("affine", *pair), ("softmax",)]


def sizes(arrays):
    """(D, C) of a head's arrays; InputError where they don't belong together."""
    require_names(arrays, NAMES)
    root, kernel, bias = (arrays[name] for name in NAMES)
    if root.dtype != bool or root.shape:
        raise InputError(f"root must be true or false; received {root.dtype} {list(root.shape)}")
    for name, array in (("kernel", kernel), ("bias", bias)):
        if array.dtype.kind != "f":
            raise InputError(f"{name} must be numbers; received {array.dtype}")
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
        raise InputError(
            f"kernel {list(kernel.shape)} and bias {list(bias.shape)} don't fit together"
        )
    return kernel.shape


def require_names(arrays, names):
    """InputError unless a head's arrays are these."""
    if sorted(arrays) != sorted(names):
        received = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"it must hold the arrays {', '.join(names)}; received {received}")
