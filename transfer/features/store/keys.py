"""What a feature is filed under: the image's content and the recipe of one view."""

import functools
import hashlib
import json
import re
from dataclasses import dataclass

import numpy as np

from transfer.errors import InputError

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class RecipeKey:
    """sha256: hex, of `text`; text: the recipe of one view as canonical JSON."""

    sha256: str
    text: str

    @property
    def dtype(self):
        """Of the numbers of a feature."""
        return dtype_of(self.text)


def of_recipe(recipe, view):
    """The RecipeKey of features of `view` by `recipe`, a dict as features.recipe makes it.

    `source` holds names, which decide nothing, and other views leave this one as it is; all else
    decides, the set and order of the layers computed together included, and so do the constants of
    this view's rule (rules.of).
    """
    decides = {k: v for k, v in recipe.items() if k not in ("source", "views", "rules")}
    decides["view"] = view
    if view in recipe.get("rules", {}):
        decides["rule"] = recipe["rules"][view]
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return RecipeKey(hashlib.sha256(text.encode()).hexdigest(), text)


@functools.lru_cache(maxsize=64)
def dtype_of(text):
    """The np.dtype of features by the recipe `text`: the one it says, else float32.

    Raises ValueError or TypeError for one that is no recipe.
    """
    recipe = json.loads(text)
    return np.dtype(recipe.get("dtype", "float32")).newbyteorder("<")


def of_image(sha256):
    """The 32 bytes of an image's hex digest as the index has it; raises InputError for others."""
    if not _DIGEST.fullmatch(sha256):
        raise InputError(
            f"the index holds {sha256!r} where the sha256 of an image, 64 hexadecimal digits, is "
            "expected; run `dvc repro -f -s index`"
        )
    return bytes.fromhex(sha256)
