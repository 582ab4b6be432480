"""Vega-Lite charts of the plot data, by the very templates that DVC fills."""

from dataclasses import dataclass
from pathlib import Path

from transfer.errors import InputError
from transfer.reports import maps, plots, predictions

TEMPLATES = Path(".dvc/plots")
COLOUR = "#1f7a8c"
# The templates are of version 5, which DVC loads; 6 draws them the same, and is the one that goes
# with the Vega of vl-convert-python: another would warn in the browser's console.
VERSION = "6.4"
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name: nothing loads it
CURVES = ("epoch", *plots.CURVES, "weights")


@dataclass(frozen=True)
class Chart:
    """A plot as dvc.yaml declares it; y is a column, or the columns of one axis."""

    file: str
    template: str
    columns: tuple
    x: str
    y: str | tuple
    y_label: str = ""


CHARTS = {
    "loss": Chart(
        "curves.csv",
        "learning_curves",
        CURVES,
        "epoch",
        ("loss", "val_loss"),
        "cross-entropy, nats",
    ),
    "accuracy": Chart(
        "curves.csv", "learning_curves", CURVES, "epoch", ("acc", "val_acc"), "accuracy"
    ),
    "confusion": Chart("confusion.csv", "class_confusion", plots.CONFUSION, "predicted", "actual"),
    "recall": Chart("recall.csv", "class_recall", plots.RECALL, "recall", "class"),
    "map": Chart("map.csv", "feature_map", maps.COLUMNS, "x", "y"),
}


def spec(chart, rows, name, templates=TEMPLATES):
    """The chart as a Vega-Lite dict without a title, or None where there is nothing to draw.

    rows: dicts of the chart's file; name: what the rows are of, where DVC writes the revision.
    """
    # Not at the top: whoever asks for another command must not wait for it.
    from dvc_render.vega_templates import TemplateNotFoundError, get_template  # noqa: PLC0415

    columns = [chart.y] if isinstance(chart.y, str) else chart.y
    y = chart.y if isinstance(chart.y, str) else "value"
    data = [
        row | {"rev": name, "field": column, y: row[column]} for column in columns for row in rows
    ]
    if not any(row[y] != "" for row in data):
        return None
    try:
        template = get_template(chart.template, str(templates))
    except TemplateNotFoundError:
        raise InputError(
            f"{templates / chart.template}.json is not here; `git checkout {templates}`"
        ) from None
    for anchor, value in {
        "data": data,
        "title": "",
        "x": chart.x,
        "y": y,
        "x_label": chart.x,
        "y_label": chart.y_label or y,
        "color": {"value": COLOUR},
    }.items():
        template.fill_anchor(anchor, value)
    filled = {key: value for key, value in template.content.items() if key != "title"}
    filled["$schema"] = SCHEMA
    return _stepped(filled, len({row[y] for row in data})) if chart.x == "predicted" else filled


def read(reports, chart):
    """The rows of the chart's file in the folder `reports`, as dicts."""
    return predictions.read(Path(reports) / chart.file, chart.columns)


def _stepped(spec, n):
    """A matrix of few classes with larger cells than the template's, which fit 43."""
    step = max(spec["spec"]["width"]["step"], min(56, 420 // n))
    size = {"width": {"step": step}, "height": {"step": step}}
    return spec | {"spec": spec["spec"] | size}
