"""params.yaml: the keys there are, what each may be, and how a stage reads the ones it names.

A stage asks for dotted keys and gets those alone, so the keys in its call are the keys that
dvc.yaml must declare; a test compares the two.
"""

import math
import re
from pathlib import Path

from transfer import trees
from transfer.errors import InputError


def _is_int(value, least):
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_name(value):
    # Nothing that means something to a shell or a path: names stand in DVC's command lines.
    return isinstance(value, str) and re.fullmatch(r"\w[\w .+@-]*", value) is not None


LEAST_STRENGTH = 1e-7  # weaker, a penalty drowns in the rounding of float32 coordinates
LEAST_RATE = 1e-6


def _is_strength(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value == "auto" or (number and LEAST_STRENGTH <= value < math.inf)


def _is_rate(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value == "auto" or (number and LEAST_RATE <= value <= 1)


def _is_fraction(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and 0 <= value < 1)


def _is_names(value):
    return isinstance(value, list) and value != [] and all(isinstance(v, str) for v in value)


def _one_of(*choices):
    return (lambda value: value in choices, f"one of {', '.join(map(str, choices))}")


_SEED = (lambda value: _is_int(value, 0), "a whole number from 0")
_COUNT = (lambda value: _is_int(value, 1), "a whole number from 1")
_COUNT_OR_AUTO = (
    lambda value: value == "auto" or _is_int(value, 1),
    "auto or a whole number from 1",
)
_FRACTION = (_is_fraction, "null or a number from 0 up to (not including) 1")

# key: (test of a value, what the value must be).  Names of nets, datasets, heads and layers are
# checked where the known ones can be listed.
KEYS = {
    "net": (_is_name, "a card's name in models/cards"),
    "weights": _one_of("pretrained", "random"),
    "dataset": (_is_name, "a folder's name in data/datasets"),
    "mirror": (lambda value: isinstance(value, str), "a folder, a base address or empty"),
    "strict": (lambda value: isinstance(value, bool), "true or false"),
    "split.by": _one_of("group", "image"),
    "split.per_class": (
        lambda value: value == "all" or _is_int(value, 1),
        "a whole number from 1, or all",
    ),
    "split.validation": _FRACTION,
    "split.test": _FRACTION,
    "split.seed": _SEED,
    "extract.layers": (
        lambda value: value in ("auto", "card", "multi") or _is_names(value),
        "auto, card, multi or a list of layers",
    ),
    "extract.size": (
        lambda value: value in ("auto", "card") or (_is_int(value, 16) and value <= 2048),
        "auto, card or a number of pixels from 16 to 2048",
    ),
    "extract.views": (
        lambda value: value == "auto" or _is_names(value),
        "auto or a list of views",
    ),
    "extract.cut": (
        lambda value: value is None or _is_name(value),
        "null, auto or the name of a layer that the card lists as a cut",
    ),
    "extract.augmented": (
        lambda value: value == "fresh" or (_is_int(value, 0) and value <= 64),
        "a whole number from 0 to 64, or fresh",
    ),
    "extract.precision": _one_of("bf16", "f32", "int8"),
    "extract.engine": _one_of("auto", "openvino", "keras"),
    "head.kind": (_is_name, "a head's name"),
    "head.epochs": _COUNT_OR_AUTO,
    "head.batch_size": _COUNT_OR_AUTO,
    "head.seed": _SEED,
    "head.initializer": _one_of("glorot_uniform", "truncated_normal"),
    "head.hidden": _COUNT,
    "head.transform": _one_of("auto", "none", "standardise", "power"),
    "head.strength": (_is_strength, "auto or a number from 1e-07"),
    "head.neighbours": _COUNT_OR_AUTO,
    "head.upto": (_is_name, "auto or the name of a layer"),
    "head.rate": (_is_rate, "auto or a number from 1e-06 to 1"),
    "head.folds": (lambda value: _is_int(value, 2), "a whole number from 2"),
    "head.class_weights": _one_of("none", "balanced"),
}


def read(*keys, path="params.yaml"):
    """{key: value} for exactly the dotted `keys`, each checked.

    Raises InputError where the file can't be read (as trees.required), a key is missing or a value
    is not allowed.
    """
    tree = trees.required(Path(path))
    return {key: _value(tree, key) for key in keys}


def _value(tree, key):
    value, keys = tree.value, key.split(".")
    for part in keys:
        if not isinstance(value, dict) or part not in value:
            raise InputError(f"{tree.path} lacks the key {key}")
        value = value[part]
    allowed, must = KEYS[key]
    if not allowed(value):
        raise tree.fault(f"must be {must}; received {value!r}", *keys)
    return value


def unread_keys(path="params.yaml"):
    """Raises InputError for the first key of `path` that no stage knows (a typing slip)."""
    tree = trees.required(Path(path))

    def leaves(value, *at):
        for name, below in value.items():
            if isinstance(below, dict) and below:
                yield from leaves(below, *at, name)
            else:
                yield (*at, name)

    for keys in leaves(tree.value):
        if ".".join(map(str, keys)) not in KEYS:
            raise tree.unknown(keys, KEYS)
