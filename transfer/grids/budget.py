"""Accuracy against images a class: how many images are worth labelling?"""

import csv
import json
from pathlib import Path

from transfer.errors import InputError, unknown
from transfer.grids import cells, curves, workspaces
from transfer.grids.figures import markdown, mean_and_range, short, with_interval
from transfer.reports.runs import PARTS
from transfer.writing import replacing

ALL = "all"
BUDGETS = (5, 10, 20, 50, 100, ALL)
VARIED = ("split.per_class", "split.seed")
COLUMNS = ("images a class", "training images", "accuracy")
FIELDS = (
    *("per_class", "seed", "part", "n_train", "n"),
    *("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "log_loss", "fault"),
)


def write(settings, budgets, seeds, part, root=".", reports="reports"):
    """Computes the cells and writes budget.csv, budget.md and budget.png into `reports`; returns
    the text of budget.md.

    settings: {dotted key of params.yaml: value}; budgets: values of split.per_class; seeds: of
    split.seed; part: validation or test.  Raises InputError where the part is unknown, where the
    settings give what is varied, and where no cell has that part.
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    for key in VARIED:
        if key in settings:
            raise InputError(f"-S {key} can't be given: --budgets and --seeds vary it")
    flat = workspaces.flat(workspaces.parameters(root, settings))
    budgets = sorted(
        set(budgets), key=lambda budget: (budget == ALL, 0 if budget == ALL else budget)
    )
    wanted = [
        cells.Cell(
            f"{flat['net']} on {flat['dataset']}, {budget} a class, seed {seed}",
            {**settings, "split.per_class": budget, "split.seed": seed},
        )
        for budget in budgets
        for seed in sorted(set(seeds))
    ]
    outcomes = cells.run(wanted, root)
    rows = [_row(outcome, part) for outcome in outcomes]
    if not any("accuracy" in row for row in rows):
        raise InputError(f"nothing to show: {rows[0]['fault']}")
    heading = f"{flat['net']} on {flat['dataset']}: accuracy of the {part} part"
    told = text(heading, flat, rows)
    reports = Path(reports)
    with replacing(reports / "budget.csv") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with replacing(reports / "budget.md") as file:
        file.write(told)
    points = [
        (row["per_class"], row["n_train"], row["accuracy"]) for row in rows if not row["fault"]
    ]
    curves.draw(reports / "budget.png", heading, points)
    return told


def text(heading, settings, rows):
    """The Markdown of `rows`, dicts of FIELDS; settings: all of params.yaml, by dotted key."""
    seeds = sorted({row["seed"] for row in rows})
    by_budget = {}
    for row in rows:
        by_budget.setdefault(row["per_class"], []).append(row)
    lines = [f"# {heading}", ""]
    lines += [f"Settings: `{' '.join(_given(settings))}`.", ""]
    several = f"mean (least-most) over the split seeds {', '.join(map(str, seeds))}"
    one = f"with its 95 % interval, of split seed {seeds[0]}"
    lines += [f"Accuracy is the {several}." if len(seeds) > 1 else f"Accuracy is {one}.", ""]
    each = [f"seed {seed}" for seed in seeds] if len(seeds) > 1 else []
    found = [_line(budget, its) for budget, its in by_budget.items()]
    lines += [markdown((*COLUMNS, *each), found)]
    faults = [f"- {r['per_class']} a class, seed {r['seed']}: {r['fault']}" for r in rows]
    faults = [line for line, row in zip(faults, rows, strict=True) if row["fault"]]
    return "\n".join([*lines, *(["", "Left out:", *faults] if faults else []), ""])


def _given(settings):
    """Yields key=value, as `-S` takes it, of what decides and is not varied."""
    for key, value in settings.items():
        if key not in (*VARIED, "mirror"):
            yield f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def _row(outcome, part):
    settings = outcome.cell.settings
    row = {"per_class": settings["split.per_class"], "seed": settings["split.seed"], "part": part}
    if outcome.metrics is None:
        return row | {"fault": outcome.fault}
    row["n_train"] = outcome.metrics["n_train"]
    if part not in outcome.metrics:
        has = " and ".join(p for p in PARTS if p in outcome.metrics) or "none"
        return row | {"fault": f"the run has no {part} part; it has {has}"}
    measured = outcome.metrics[part]
    return row | {key: measured[key] for key in FIELDS if key in measured} | {"fault": ""}


def _line(budget, rows):
    """The cells of a line: of the `rows` of one budget, one for each seed."""
    done = [row for row in rows if "accuracy" in row]
    each = [short(row["accuracy"]) if "accuracy" in row else "-" for row in rows]
    each = each if len(rows) > 1 else []
    if not done:
        return (str(budget), "-", "-", *each)
    trained = sorted({row["n_train"] for row in done})
    size = f"{trained[0]:,}" if len(trained) == 1 else f"{trained[0]:,} to {trained[-1]:,}"
    several = len(rows) > 1
    whole = mean_and_range([row["accuracy"] for row in done]) if several else with_interval(done[0])
    return (str(budget), size, whole, *each)
