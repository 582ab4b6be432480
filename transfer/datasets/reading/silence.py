"""Pillow, and the libtiff in it, kept off the terminal: faults are told in words of our own."""

import ctypes
import logging
import re
import warnings
from functools import cache

from PIL import Image

_HANDLER = logging.NullHandler()
_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as `warnings` keeps it


def keep():
    """Sees to it that Pillow prints nothing from now on; again and again is as good as once."""
    # `warnings.catch_warnings` is not safe in threads, so the filter is added to the list, once.
    if _FILTER not in warnings.filters:
        warnings.filters.insert(0, _FILTER)
    _silence_logs()


@cache  # this is called for each image
def _silence_logs():
    # Python prints what is logged and nobody takes.  A handler that does nothing takes it, and
    # leaves to any handlers of the user's own what they are given.
    logging.getLogger("PIL").addHandler(_HANDLER)
    # The handlers by which libtiff itself writes to stderr (TIFFError(3tiff)) have no other use,
    # and Pillow has no word for it.
    try:
        # The symbols of a library are looked for in those that it is linked to as well.
        pillow = ctypes.CDLL(Image.core.__file__)
        setters = pillow.TIFFSetErrorHandler, pillow.TIFFSetWarningHandler
    except (OSError, AttributeError):  # a Pillow without libtiff, or with one inside
        return
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
        setter(None)
