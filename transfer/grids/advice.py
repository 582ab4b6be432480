"""`python -m transfer advise`: is it worth fine-tuning this network on these images?

Linear heads at two sizes and two depths, and a tuned run, on a part of the training images.
What they are compared by is the accuracy on training images that were held out: no new labels are
needed, and neither validation nor test images have a say.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from transfer.datasets import sources
from transfer.errors import InputError
from transfer.features import choices
from transfer.grids import cells, workspaces
from transfer.grids.figures import markdown, short
from transfer.nets import cards

PART = 50  # images a class, at most, that all are tried on
HELD_OUT = 10  # of so many parts a tuned run holds one out; linear heads are judged on all images
SMALLER = 0.6  # the other size, of the one that is asked for
COLUMNS = ("head", "size", "layers", "held-out accuracy", "seconds")


@dataclass(frozen=True)
class Trial:
    """A way to do it.  title: of the row; settings: {dotted key of params.yaml: value}; size,
    layers: as the row tells them."""

    title: str
    settings: dict
    size: int
    layers: str

    @property
    def is_tuned(self):
        return self.settings["head.kind"] == "finetune"


def write(settings, root="."):
    """Computes the trials for params.yaml with `settings`, {dotted key: value}, put in; returns the
    table and one sentence of advice.

    Raises InputError where the card of the net lists no cut, and where all trials fail.
    """
    found = trials(settings, root)
    outcomes = cells.run([cells.Cell(t.title, settings | t.settings) for t in found], root)
    rows = [
        (t.title, str(t.size), t.layers, *_measured(outcome))
        for t, outcome in zip(found, outcomes, strict=True)
    ]
    faults = [f"- {o.cell.title}: {o.fault}" for o in outcomes if o.metrics is None]
    sentence = advice(found, outcomes)
    return "\n".join([markdown(COLUMNS, rows), *faults, "", sentence, ""])


def trials(settings, root="."):
    """The Trials of params.yaml in `root` with `settings`; all on at most PART images a class."""
    root = Path(root)
    flat = workspaces.flat(workspaces.parameters(root, settings))
    card = cards.load(root / cards.CARDS / f"{flat['net']}.yaml")
    source = sources.load(root / sources.FOLDER / flat["dataset"])
    asked = choices.choose(card, source, flat | {"extract.cut": None})
    cutting = flat | {"extract.cut": flat["extract.cut"] or "auto"}
    cut = choices.choose_cut(card, source, cutting, choices.choose(card, source, cutting))
    budget = flat["split.per_class"]
    budget = PART if budget == "all" else min(PART, budget)
    smaller = max(16, round(asked.size * SMALLER))
    auto = flat["extract.layers"]
    found = [
        Trial(
            f"linear, {layers} layers, {size} px",
            {
                "split.per_class": budget,
                "extract.cut": None,
                "extract.size": size,
                "extract.layers": names,
                "head.kind": "auto",
            },
            size,
            layers,
        )
        for size in (smaller, asked.size)
        for layers, names in (("the card's", "card"), ("the dataset's", auto))
    ]
    ((name, _),) = cut.layers
    found.append(
        Trial(
            f"fine-tuned from {name}, {cut.size} px",
            {
                "split.per_class": budget,
                "extract.cut": name,
                "head.kind": "finetune",
                "head.epochs": "auto",
                "head.batch_size": "auto",
            },
            cut.size,
            f"from {name}",
        )
    )
    return found


def advice(found, outcomes):
    """One sentence on which of the Trials `found` to take, by their cells.Outcomes."""
    done = [
        (t, o) for t, o in zip(found, outcomes, strict=True) if _accuracy(o) is not None
    ]  # fmt: skip
    linear = [pair for pair in done if not pair[0].is_tuned]
    tuned = [pair for pair in done if pair[0].is_tuned]
    if not linear:
        raise InputError(f"nothing to compare: {outcomes[0].fault or 'no fold holds an image'}")
    best, seen = max(linear, key=lambda pair: _accuracy(pair[1]))
    stay = f"Stay with the linear head ({best.title.removeprefix('linear, ')}), {_said(seen)}"
    if not tuned:
        return f"{stay}: the network could not be tuned."
    ((trial, outcome),) = tuned
    gain, error = _accuracy(outcome) - _accuracy(seen), _error(outcome)
    by = f"{_said(outcome)} on images that were held out, {100 * gain:+.1f} points"
    if gain > 2 * error:
        return (
            f"Fine-tune: -S extract.cut={trial.settings['extract.cut']} -S head.kind=finetune "
            f"reached {by} over the best linear head."
        )
    return (
        f"{stay}: fine-tuning reached {by} beside it, which is less than twice its standard error "
        f"of {100 * error:.1f}."
    )


def _accuracy(outcome):
    return outcome.metrics and outcome.metrics["head"].get("fold_accuracy")


def _error(outcome):
    """The standard error of the accuracy that a tuned run is judged by, of p: with half an image
    more on either side, so that it is not 0 where all are right."""
    n = max(1, round(outcome.metrics["n_train"] / HELD_OUT))
    p = (_accuracy(outcome) * n + 0.5) / (n + 1)
    return math.sqrt(p * (1 - p) / n)


def _said(outcome):
    return short(_accuracy(outcome))


def _measured(outcome):
    accuracy = _accuracy(outcome)
    seconds = "-" if outcome.seconds is None else f"{outcome.seconds:.0f}"
    return ("-" if accuracy is None else short(accuracy)), seconds
