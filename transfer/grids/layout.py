"""The table of results as Markdown."""

import os

from transfer.grids.figures import markdown, mean_and_range, short, with_interval
from transfer.grids.protocol import COMMON, PUBLISHED, ROWS, Run, splits

NO_FIGURE = "-"


def text(nets, datasets, seeds, outcomes):
    """The Markdown of `outcomes`, {Run: cells.Outcome}; seeds: the first has its interval shown."""
    had = {name for run, o in outcomes.items() if o.metrics for name in (run.net, run.dataset)}
    nets, datasets = ([name for name in names if name in had] for names in (nets, datasets))
    columns = [column for dataset in datasets for column in _columns(dataset, nets)]
    lines = []
    for net in nets:
        for row in ROWS:
            runs = [[Run(net, row, d, split, seed) for seed in seeds] for d, split, _ in columns]
            figures = [
                _published(net, row, split)
                if part == "published"
                else _figures([outcomes[run].metrics for run in its], part)
                for its, (_, split, part) in zip(runs, columns, strict=True)
            ]
            lines.append((net, row, *figures))
    several = f"; then the mean (least-most) over the split seeds {', '.join(map(str, seeds))}"
    return "\n".join(
        [
            "# Results",
            "",
            f"At most {COMMON['split.per_class']} training images a class. Validation accuracy (95 "
            f"% interval) of split seed {seeds[0]}{several if len(seeds) > 1 else ''}.",
            "",
            *(f"- {row}: {about}; {_settings(its)}" for row, (its, about) in ROWS.items()),
            "",
            f"In all of them {_settings(COMMON)}; and for",
            "",
            *(
                f"- {split.title}: {_settings(split.settings)}"
                for dataset in datasets
                for split in splits(dataset)
            ),
            "",
            markdown(("net", "setting", *(_head(*c, seeds[0], outcomes) for c in columns)), lines),
            *_faults(outcomes),
            "",
        ]
    )


def _settings(settings):
    """The settings as they are written after -S."""

    def text(value):
        if isinstance(value, list):
            return f"[{','.join(value)}]"
        return "null" if value is None else value

    return ", ".join(f"`{key}={text(value)}`" for key, value in settings.items())


def _columns(dataset, nets):
    """Yields (dataset, Split, part) of the columns; a part may be `published`."""
    for split in splits(dataset):
        yield dataset, split, "validation"
        if PUBLISHED.get(split.title, {}).keys() & {*nets}:
            yield dataset, split, "published"
        if split.has_test:
            yield dataset, split, "test"


def _head(dataset, split, part, seed, outcomes):
    if part == "published":
        return f"{split.title}, published"
    title = f"official test (of {split.title})" if part == "test" else split.title
    for run, outcome in outcomes.items():
        known = (run.dataset, run.split, run.seed) == (dataset, split, seed) and outcome.metrics
        if known and part in outcome.metrics:
            return f"{title}, {outcome.metrics[part]['n']:,} images"
    return title


def _published(net, row, split):
    figure = PUBLISHED[split.title].get(net) if row == "course" else None
    return "" if figure is None else short(figure, 4)


def _figures(found, part):
    """The text of a cell; found: the metrics of each seed, None where there are none."""
    measured = [metrics and metrics.get(part) for metrics in found]
    first = with_interval(measured[0]) if measured[0] else NO_FIGURE
    known = [those["accuracy"] for those in measured if those]
    if len(found) == 1 or not known:
        return first
    return f"{first}; {mean_and_range(known)}"


def _faults(outcomes):
    """The lines on what failed: each fault once, with the first of its runs."""
    runs = {}
    for run, outcome in outcomes.items():
        if outcome.metrics is None:
            runs.setdefault(portable(outcome.fault), []).append(run)
    lines = [
        f"- {its[0]}{f' and {len(its) - 1} more' if len(its) > 1 else ''}: {fault}"
        for fault, its in runs.items()
    ]
    if not lines:
        return []
    return ["", f"What could not be had is left out, or has a `{NO_FIGURE}`:", "", *lines]


def portable(fault):
    """`fault` without the places of this machine: the table is for everybody."""
    for name in ("TRANSFER_MIRROR", "TRANSFER_STORE", "TMPDIR", "HOME"):
        place = os.environ.get(name, "").rstrip("/")
        fault = fault.replace(place, f"${name}") if place else fault
    return fault
