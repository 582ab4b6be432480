"""`reports/report.html`: one self-contained page of the run in the workspace.

The page loads nothing: its charts are drawn by Vega-Lite with the templates of `dvc plots`, whose
JavaScript comes from the package vl-convert-python; and a content security policy forbids the
browser any request and any script but the page's own two.

Numbers are rounded to DIGITS digits, as `evaluate` prints them; the values of metrics.json stand in
`value` of their elements and, as a whole, in the JSON block `metrics`.
"""

import base64
import hashlib
import json
from collections import Counter
from functools import cache
from pathlib import Path

from transfer.errors import InputError
from transfer.heads import trained
from transfer.reports import charts, exhibits, experiments, maps, plots, predictions, runs
from transfer.writing import replacing

FOLDER = Path(__file__).parent  # of page.html, page.css and page.js
DIGITS = 4
CONFUSIONS = 12  # rows of the table of the most frequent confusions
SHEETS = ("mistakes", "samples")
# metrics.json's `data` and `weights` in words
ORIGINS = {
    "published": "the published files",
    "mirror": "files of a mirror, other than the published ones",
    "own": "the user's own",
    "rendered": "rendered",
}
# metrics.json's key: its heading on the page
HEADINGS = {
    "accuracy": "accuracy",
    "top5": "top 5",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced",
    "log_loss": "log loss, nats",
    "ece": "ECE",
    "ece_by_chance": "ECE by chance",
}


def write(path="reports/report.html", reports="reports", head=trained.HEAD, root="."):
    """Writes the page of what lies in the folder `reports`; returns the sentence to print.

    root: the repository, where DVC lists the experiments; params.yaml, dvc.lock and the templates
    lie in the working folder.  Raises InputError where an input is missing or of another run.
    """
    path, reports = Path(path), Path(reports)
    text = rendered(gathered(reports, head, root))
    with replacing(path) as file:
        file.write(text)
    return f"{path} holds the report, {len(text.encode()) / 1e6:.1f} MB; open it in a browser"


def gathered(reports, head, root):
    """All that the template shows, as a dict."""
    run = runs.read(reports / "metrics.json", head)
    answers = reports / "predictions.csv"
    counts = Counter(row["split"] for row in predictions.stream(answers))
    part = plots.shown(counts)
    wrong = (
        row
        for row in predictions.stream(answers)
        if row["split"] == part and row["label"] != row["predicted"]
    )
    tables = {name: charts.read(reports, chart) for name, chart in charts.CHARTS.items()}
    captions = dict.fromkeys(charts.CHARTS, f"{part}, {counts[part]} images")
    captions |= {"loss": "this run", "accuracy": "this run"}
    map_part, map_n = mapped(run.metrics)
    few = len(tables["map"])
    captions["map"] = f"{map_part}, {few} {'' if few == map_n else f'of {map_n} '}images"
    return {
        "run": run,
        "title": trained.title(run.head),
        "parts": {p: run.metrics[p] for p in runs.PARTS if p in run.metrics},
        "headings": {k: v for k, v in HEADINGS.items() if k in run.metrics.get(part, HEADINGS)},
        "captions": captions,
        "specs": {
            name: charts.spec(chart, tables[name], captions[name])
            for name, chart in charts.CHARTS.items()
        },
        "recall": tables["recall"],
        "confusions": confusions(tables["confusion"]),
        "mistakes": exhibits.mistakes(part, counts[part], wrong),
        "recipe": json.dumps(run.head.recipe, indent=2, sort_keys=True, ensure_ascii=False),
        "fewest": maps.FEWEST,
        "origins": ORIGINS,
        "sheets": {name: data_uri(reports / f"{name}.png") for name in SHEETS},
        **compared(root),
    }


def compared(root):
    """The experiments and the params in which they differ; or why there are none to show."""
    try:
        rows = experiments.show(root)
    except InputError as fault:
        return {"experiments": [], "varying": [], "no_experiments": str(fault)}
    # Those of one dataset together, below the workspace and the commit; else in DVC's order.
    rows[2:] = sorted(rows[2:], key=lambda row: str(row.params.get("dataset")))
    return {"experiments": rows, "varying": experiments.varying(rows), "no_experiments": ""}


def mapped(metrics):
    """(part, n) of the images that the map is of, the first of `maps.ORDER` that has any."""
    part = next((p for p in maps.ORDER if p in metrics), maps.ORDER[-1])
    return part, metrics.get(part, {"n": 0})["n"]


def confusions(rows):
    """[(actual, predicted, images, images of the actual class)], the most frequent first."""
    pairs = Counter((row["actual"], row["predicted"]) for row in rows)
    of = Counter(row["actual"] for row in rows)
    wrong = [(*pair, n, of[pair[0]]) for pair, n in pairs.items() if pair[0] != pair[1]]
    return sorted(wrong, key=lambda row: (-row[2], row))[:CONFUSIONS]


def data_uri(path):
    """The PNG at `path` as an address that holds it; InputError where it is not there."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro`") from None
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def rendered(found):
    """The page's HTML; every text of `found` is escaped by the template engine."""
    # Not at the top: whoever asks for another command must not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:.{DIGITS}f}"
    scripts = {"vega": vega(), "own": (FOLDER / "page.js").read_text(encoding="utf-8")}
    return environment.get_template("page.html").render(
        scripts=scripts,
        hashes=[_hash(text) for text in scripts.values()],
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        **found,
    )


@cache
def vega():
    """The JavaScript of Vega, Vega-Lite and Vega-Embed, fit to stand between script tags."""
    import vl_convert  # noqa: PLC0415  # 30 MB of V8, for this alone

    return vl_convert.javascript_bundle(vl_version=charts.VERSION).replace("</script", r"<\/script")


def _hash(script):
    """The source of a content security policy that allows this very script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
