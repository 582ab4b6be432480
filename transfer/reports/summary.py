"""`reports/metrics.json`: what was measured and on what, and the same as a short printed table."""

from collections import Counter
from dataclasses import dataclass

from transfer.datasets.index import SET_ASIDE
from transfer.heads import trained
from transfer.writing import write_json

PARTS = ("validation", "test")  # that are measured
DIGITS = 6  # of a metric: far below any interval's width, so that files stay equal and readable

COLUMNS = ("n", "accuracy", "95 % interval", "top5", "macro F1", "balanced", "log loss", "ECE")


@dataclass(frozen=True)
class Census:
    """What the index lists: its training images by class, in the order in which classes come; how
    many images could not be decoded, and how many contradict or leak into another."""

    training: dict[str, int]
    unreadable: int
    set_aside: int


def census(rows):
    """The Census of the rows of the index, in one pass."""
    training, problems, set_aside = Counter(), 0, 0
    for row in rows:
        if row.split == "train":
            training[row.label] += 1
        if row.problem:
            problems += 1
            set_aside += row.problem.startswith(SET_ASIDE)
    return Census(dict(training), problems - set_aside, set_aside)


def summary(head, measured, n_train, counts, per_class, data):
    """The dict of metrics.json.

    head: Head; measured: {part: dict of `metrics.measure`}; counts: the Census of the index;
    per_class: the ceiling of training images of a class, or "all"; data: where the images come
    from.
    """
    short = () if per_class == "all" else [n for n in counts.training.values() if n < per_class]
    return measured | {
        "data": data,
        "head": {"kind": head.kind} | _numbers(head.selection),
        "n_classes_short": len(short),
        "n_set_aside": counts.set_aside,
        "n_train": n_train,
        "n_unreadable": counts.unreadable,
        "weights": trained.weights_origin(head.recipe),
    }


def write(path, found):
    """Writes the summary, floats to DIGITS digits."""
    write_json(path, _rounded(found))


def _numbers(selection):
    """What a head's selection says, but for the sentence to people."""
    return {key: value for key, value in selection.items() if key != "note"}


def _rounded(value, key=""):
    if isinstance(value, dict):
        return {key: _rounded(v, key) for key, v in value.items()}
    if key == "strength":  # which may be a millionth: DIGITS significant ones
        return float(f"{value:.{DIGITS}g}")
    return round(value, DIGITS) if isinstance(value, float) else value


def table(head, found):
    """The text that `evaluate` prints: a title, a line for each part, and what stands behind it."""
    parts = [part for part in PARTS if part in found]
    lines = [["", *COLUMNS], *([part, *_cells(found[part])] for part in parts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [trained.title(head)]
    for name, *cells in lines if parts else ():
        padded = (cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))
        text.append("  ".join([name.ljust(widths[0]), *padded]))
    if not parts:
        text.append("no validation or test images to measure on")
    notes = (
        f"{found['n_train']} training images; data: {found['data']}; weights: {found['weights']}"
    )
    for key, what in (
        ("n_unreadable", "unreadable"),
        ("n_set_aside", "set aside"),
        ("n_classes_short", "classes below the ceiling"),
    ):
        notes += f"; {found[key]} {what}" if found[key] else ""
    return "\n".join([*text, notes])


# With fewer than 75 to 100 images no head that is good but not perfect can be told from another:
# Beleites et al. 2013, "Sample size planning for classification models", Analytica Chimica Acta
# 760; at an accuracy of one half, Wilson's interval is so wide with 92 images and fewer.
DOUBTFUL = 0.1  # half the width of the 95 % interval of an accuracy


def doubts(found):
    """Sentences, one for each part of the summary `found` whose accuracy means little: it is known
    to no better than DOUBTFUL to each side, by its 95 % interval."""
    return [
        f"{part} has {_images(m)}, too few to tell the accuracy: its 95 % interval is "
        f"{m['accuracy_low']:.2f} to {m['accuracy_high']:.2f}; add images"
        for part, m in ((part, found[part]) for part in PARTS if part in found)
        if m["accuracy_high"] - m["accuracy_low"] > 2 * DOUBTFUL
    ]


def _images(m):
    images = f"{m['n']:,} image{'s' * (m['n'] != 1)}"
    return images if m["n_groups"] == m["n"] else f"{images} in {m['n_groups']:,} groups"


def _cells(m):
    n = str(m["n"]) + (f" in {m['n_groups']} groups" if m["n_groups"] != m["n"] else "")
    interval = f"{m['accuracy_low']:.4f}-{m['accuracy_high']:.4f}"
    top5 = f"{m['top5']:.4f}" if "top5" in m else "-"
    rest = (f"{m[key]:.4f}" for key in ("macro_f1", "balanced_accuracy", "log_loss", "ece"))
    return [n, f"{m['accuracy']:.4f}", interval, top5, *rest]
