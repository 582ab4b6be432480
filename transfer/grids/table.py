"""The project's table of results: nets by settings over datasets, each cell a run."""

import csv
import json
from pathlib import Path

from transfer.datasets import sources
from transfer.errors import InputError, unknown
from transfer.grids import cells, layout, workspaces
from transfer.grids.protocol import DATASETS, NETS, ROWS, SEEDS, Run, splits
from transfer.nets import cards
from transfer.writing import replacing

FIRST = ("net", "row", "dataset", "column", "seed", "fault")  # of table.csv; the others by name


def write(nets=NETS, datasets=DATASETS, seeds=SEEDS, root=".", reports="reports"):
    """Computes the cells and writes table.csv and table.md into `reports`; returns the text of
    table.md.

    seeds: values of split.seed, the first of which has its 95 % interval printed.  A cell that
    fails has a dash, and its reason below the table.  Raises InputError for an unknown net or
    dataset, and where all cells fail.
    """
    nets, datasets, seeds = (list(dict.fromkeys(names)) for names in (nets, datasets, seeds))
    _require_known("net", nets, cards.known(Path(root, cards.CARDS)))
    _require_known("dataset", datasets, sources.known(Path(root, sources.FOLDER)))
    runs = [
        Run(net, row, dataset, split, seed)
        for dataset in datasets
        for split in splits(dataset)
        for seed in seeds
        for net in nets
        for row in ROWS
    ]
    wanted = [cells.Cell(str(run), run.settings) for run in runs]
    outcomes = dict(zip(runs, cells.run(wanted, root), strict=True))
    if all(outcome.metrics is None for outcome in outcomes.values()):
        raise InputError(f"no cell of the table could be had: {outcomes[runs[0]].fault}")
    told = layout.text(nets, datasets, seeds, outcomes)
    rows = [_row(run, outcome) for run, outcome in outcomes.items()]
    rows.sort(key=lambda row: [row[name] for name in FIRST[:-1]])
    with replacing(Path(reports, "table.csv")) as file:
        fields = (*FIRST, *sorted({key for row in rows for key in row} - {*FIRST}))
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with replacing(Path(reports, "table.md")) as file:
        file.write(told)
    return told


def _require_known(what, names, known):
    for name in names:
        if name not in known:
            raise unknown(what, name, known)


def _row(run, outcome):
    """The row of table.csv: metrics by their names, settings after `params.`; lists as JSON."""
    given = {f"params.{key}": value for key, value in run.settings.items()}
    found = given | workspaces.flat(outcome.metrics or {})
    found = {
        key: json.dumps(value, sort_keys=True) if isinstance(value, list) else value
        for key, value in found.items()
    }
    named = {name: getattr(run, name) for name in ("net", "row", "dataset", "seed")}
    return found | named | {"column": run.split.title, "fault": layout.portable(outcome.fault)}
