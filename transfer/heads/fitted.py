"""What a fit gives, whatever the kind."""

from typing import NamedTuple


class Fitted(NamedTuple):
    """arrays: {name: array} of the kind; curves: {name: float64 [epochs]}, {} where nothing is
    iterated over epochs; selection: what was chosen and how, {name: plain value}, {} where nothing
    is chosen."""

    arrays: dict
    curves: dict
    selection: dict
