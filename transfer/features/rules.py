"""The names of the views, and the numbers that their rules have; the views are in `views`."""

NAMES = ("plain", "contrast", "flipped")

# What contrast brings an image's numbers to, all pixels and channels together, in grey levels of
# 0..255.
MEAN = 127.5  # the middle of the range
SD = 64.0  # the widest, in round numbers, that leaves two of them on either side
LEAST = 1.0  # a smaller sd is noise in an even image, and divided by this instead

_RULES = {"contrast": {"least": LEAST, "mean": MEAN, "sd": SD}}

# How far an augmented view strays at most, either way: see augmentation.augmented.
AUGMENTED = {
    "aspect": 0.08,  # of its logarithm
    "blur": 0.6,  # pixels, the standard deviation of a Gaussian; never the other way
    "brightness": 0.5,  # of its logarithm
    "contrast": 0.5,  # of its logarithm
    "gamma": 0.6,  # of its logarithm
    "shear": 0.1,
    "shift": 0.15,  # half-widths
    "turn": 0.17,  # radians
    "zoom": 0.2,  # of its logarithm
}
_NUMBERED = "+"


FRESH = "fresh"  # extract.augmented: views drawn anew in each epoch, of which none is kept


def augmented(view, number):
    """The name of the augmented view of `view`, one of NAMES, that has the `number`, from 1:
    contrast+1."""
    return f"{view}{_NUMBERED}{number}"


def parted(name):
    """(view, number) of an augmented view's name, the number 0 for a name of NAMES."""
    view, _, number = name.partition(_NUMBERED)
    return view, int(number or 0)


def of(names, flip=False):
    """{view: {constant: number}} of those views of `names` whose rule has any: features by other
    numbers are other features.  flip: whether augmented views may be mirrored."""
    found = {}
    for name in names:
        view, number = parted(name)
        rule = dict(_RULES.get(view, {}))
        if number:
            rule |= {"augmented": AUGMENTED, "mirrored": flip}
        if rule:
            found[name] = rule
    return found
