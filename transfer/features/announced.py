"""The engine as it will be, known without opening it: a stored run needs no more of it."""

import functools
from dataclasses import dataclass

from transfer.errors import InputError
from transfer.features.engine import BATCH, runs_in
from transfer.nets import graphs


@dataclass(frozen=True)
class Announced:
    """What a recipe asks of an engine.BaseEngine; the fields are as there."""

    versions: dict
    device: str
    precision: str
    batch: int


def announce(choice, opened):
    """(what a recipe asks of the engine, a function that gives the engine) for a choices.Choice.

    opened: a function that opens the engine, called once at most, when the engine is asked for; at
    once for one that can only be asked itself.
    The function raises InputError where the engine is not as announced: features would be kept
    under a recipe that is not theirs.
    """
    engine = functools.cache(opened)
    if choice.engine != "openvino":
        return engine(), engine
    precision = runs_in(graphs.ov.Core(), choice.precision)
    said = Announced({"openvino": graphs.VERSION}, "cpu", precision, BATCH)

    def checked():
        made = engine()
        here = Announced(made.versions, made.device, made.precision, made.batch)
        if here != said:
            raise InputError(
                f"extract.engine: expected the device to run {said} and it runs {here}; choose "
                f"extract.precision: {here.precision.rpartition('+')[2]}"
            )
        return made

    return said, checked
