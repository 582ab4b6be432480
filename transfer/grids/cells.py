"""Cells of a grid: settings in, metrics out, each computed once and kept beside the store.

A cell is known by all that decides its metrics: the whole of params.yaml, the commands and the code
of all stages, the card, the dataset's source, and where files come from.
"""

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from transfer.downloads import kept
from transfer.errors import InputError
from transfer.grids import inputs, scratch, workspaces
from transfer.grids.figures import short
from transfer.grids.pipeline import Pipeline, json_digest
from transfer.reports.runs import PARTS
from transfer.writing import write_json


@dataclass(frozen=True)
class Cell:
    """title: of its line of progress; settings: {dotted key of params.yaml: value}."""

    title: str
    settings: dict


@dataclass(frozen=True)
class Outcome:
    """Of a Cell: the dict of metrics.json, or None and the sentence of what failed.

    seconds: how long it took when it was computed, with what the store had then; None where that
    was not noted.
    """

    cell: Cell
    metrics: dict | None
    fault: str = ""
    seconds: float | None = field(default=None, compare=False)


def run(cells, root="."):
    """The Outcome of each of `cells`, in their order; each is told on stderr as it is done.

    root: the repository, whose params.yaml gives what the settings leave out.  What is known is
    read, the rest computed by the stages of dvc.yaml in a scratch folder; the workspace stays as it
    is, and a kill costs the cell that was under way.  Raises InputError where code, card or dataset
    are edited meanwhile: what cells share would be of neither state.
    """
    found = []
    with ExitStack() as stack:
        computing = _Computing(Path(root), stack)
        rest = workspaces.flat(workspaces.parameters(root, {}))  # as it is now, until the last cell
        for number, cell in enumerate(cells, 1):
            say = partial(print, file=sys.stderr, flush=True)
            say(f"[{number}/{len(cells)}] {cell.title}: ", end="")
            try:
                found.append(computing.outcome(replace(cell, settings=rest | cell.settings)))
            except BaseException:
                say()  # what follows is a line of its own
                raise
            say(_told(found[-1]))
    return found


def path(root, settings):
    """Where the metrics under `settings` are kept, whether they are there or not.

    Raises InputError for an unknown key, a dataset or a mirror that is not there.
    """
    return _place(Path(root), settings, inputs.contents(root, settings))


class _Computing:
    """The pipeline of a run, made for the first cell that is not known, and what it began from."""

    def __init__(self, root, stack):
        self._root, self._stack, self._pipeline = root, stack, None
        self._seen = inputs.shared(root)

    def outcome(self, cell):
        try:
            before = inputs.contents(self._root, cell.settings)
            place = _place(self._root, cell.settings, before)
            metrics, seconds = _known(place)
            if metrics is not None:
                return Outcome(cell, metrics, seconds=seconds)
            begun = time.monotonic()
            metrics = self._computed(cell.settings)
            seconds = round(time.monotonic() - begun, 1)
        except InputError as fault:
            return Outcome(cell, None, str(fault))
        after = inputs.contents(self._root, cell.settings)
        for found in (before, after, inputs.shared(self._root)):
            self._require_as_before(found)
        about = {"settings": cell.settings, "sha256": json_digest(metrics), "seconds": seconds}
        write_json(place, {"metrics": metrics} | about)
        return Outcome(cell, metrics, seconds=seconds)

    def _computed(self, settings):
        if self._pipeline is None:
            folder = self._stack.enter_context(scratch.folder())
            self._pipeline = Pipeline(self._root, folder / "workspace", kept.store_folder())
        return self._pipeline.run(settings)

    def _require_as_before(self, found):
        for name, content in found.items():
            if self._seen.setdefault(name, content) != content:
                raise InputError(
                    f"{name} was edited while cells were computed; give the command again: the "
                    "cells that were done are kept"
                )


def _place(root, settings, contents):
    return kept.store_folder() / "cells" / f"{inputs.key(root, settings, contents)}.json"


def _known(place):
    """(metrics, seconds) that are kept at `place`; (None, None) where there are none, or damaged
    ones."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        if json_digest(found["metrics"]) != found["sha256"]:
            return None, None
        return found["metrics"], found.get("seconds")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, None


def _told(outcome):
    if outcome.metrics is None:
        return f"failed: {outcome.fault}"
    part = next((part for part in PARTS if part in outcome.metrics), None)
    if part is None:
        return "no image to measure on"
    return f"{part} accuracy {short(outcome.metrics[part]['accuracy'])}"
