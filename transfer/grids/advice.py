"""`python -m transfer advise`: is it worth fine-tuning this network on these images?

Linear heads at two sizes and two depths, and a tuned run, on a part of the training images.
What they are compared by is the accuracy on training images that were held out: no new labels are
needed, and neither validation nor test images have a say.  A linear head is judged on all of them,
by folds, a tuned one on one of ten folds, which its epoch was chosen by.
"""

from dataclasses import dataclass
from pathlib import Path

from transfer.datasets import sources
from transfer.errors import InputError
from transfer.features import choices
from transfer.grids import cells, workspaces
from transfer.grids.figures import markdown, short
from transfer.nets import cards
from transfer.reports.intervals import wilson

PART = 50  # images a class, at most, that all are tried on
SMALLER = 0.6  # the other size, of the one that is asked for
COLUMNS = ("head", "size", "layers", "held-out accuracy", "seconds, with what was kept")


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
    budget = found[0].settings["split.per_class"]
    part = f"At most {budget} training images a class; each is judged on some it has not seen."
    sentence = advice(found, outcomes)
    return "\n".join([markdown(COLUMNS, rows), *faults, "", part, sentence, ""])


def trials(settings, root="."):
    """The Trials of params.yaml in `root` with `settings`; all on at most PART images a class.

    Raises InputError where the network has no cut, or nothing to train from there up to
    `head.upto`.
    """
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
    depths = {"the card's": "card", "the dataset's": flat["extract.layers"]}
    if choices.choose(card, source, flat | {"extract.layers": "card"}).layers == asked.layers:
        del depths["the card's"]
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
        for layers, names in depths.items()
    ]
    ((name, _),) = cut.layers
    if flat["head.upto"] != "auto":
        from transfer.nets import tails  # noqa: PLC0415  # imports TensorFlow

        tails.require(card, name, flat["head.upto"])
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
    wanted = {name: best.settings[name] for name in ("extract.size", "extract.layers")}
    stay = f"Stay with the linear head, {_said(seen)}: {_words(wanted | {'head.kind': 'auto'})}"
    if not tuned:
        return f"{stay}; the network could not be tuned."
    ((trial, outcome),) = tuned
    gain = _accuracy(outcome) - _accuracy(seen)
    low, high = wilson(_accuracy(outcome), _trials(outcome))
    reached = (
        f"fine-tuning reached {_said(outcome)} ({short(low)}-{short(high)}) on "
        f"{outcome.metrics['head']['held_out']:,} held-out images, {100 * gain:+.1f} points"
    )
    if is_clear(outcome, seen):
        words = _words({"extract.cut": trial.settings["extract.cut"], "head.kind": "finetune"})
        return f"Fine-tune: {words}; {reached} over the best linear head."
    if gain > 0:
        return f"{stay}; {reached}, which on so few may be chance."
    return f"{stay}; {reached}."


def is_clear(tuned, linear):
    """Whether an Outcome of a tuned run is better than that of a linear head: the 95 % interval of
    the difference lies above 0 (Newcombe 1998, "Interval estimation for the difference between
    independent proportions", Statistics in Medicine 17, method 10)."""
    p, q = _accuracy(tuned), _accuracy(linear)
    low, _ = wilson(p, _trials(tuned))
    _, high = wilson(q, _trials(tuned) * tuned.metrics["head"]["folds"])  # all are held out once
    return p - q > ((p - low) ** 2 + (high - q) ** 2) ** 0.5


def _trials(tuned):
    """How many independent images those tell as much as that a tuned run was judged by."""
    return tuned.metrics["head"]["held_out_trials"]


def _words(settings):
    return " ".join(f"-S {name}={value}" for name, value in settings.items())


def _accuracy(outcome):
    return outcome.metrics and outcome.metrics["head"].get("fold_accuracy")


def _said(outcome):
    return short(_accuracy(outcome))


def _measured(outcome):
    accuracy = _accuracy(outcome)
    seconds = "-" if outcome.seconds is None else f"{outcome.seconds:.0f}"
    return ("-" if accuracy is None else short(accuracy)), seconds
