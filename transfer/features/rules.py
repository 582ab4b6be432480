"""The names of the views, and the numbers that their rules have; the views are in `views`."""

NAMES = ("plain", "contrast", "flipped")

# What contrast brings an image's numbers to, all pixels and channels together, in grey levels of
# 0..255.
MEAN = 127.5  # the middle of the range
SD = 64.0  # the widest, in round numbers, that leaves two of them on either side
LEAST = 1.0  # a smaller sd is noise in an even image, and divided by this instead

_RULES = {"contrast": {"least": LEAST, "mean": MEAN, "sd": SD}}


def of(names):
    """{view: {constant: number}} of those views of `names` whose rule has any: features by other
    numbers are other features."""
    return {name: _RULES[name] for name in names if name in _RULES}
