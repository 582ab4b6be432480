"""The Vega-Lite templates, filled as DVC fills them and as the report does."""

import json

import pytest
import vl_convert
import yaml
from dvc_render.vega import VegaRenderer

from tests.imports import ROOT
from transfer.errors import InputError
from transfer.reports import charts

TEMPLATES = ROOT / ".dvc/plots"
HOSTILE = "</script><img src=x onerror=alert(1)>"
NAMES = ["a.b[0]", 'quote " and \\', HOSTILE]


def rows_of(name, weights="mirror"):
    """Two or three rows of a chart's file; the class names are odd ones."""
    a, b, c = NAMES
    first = {
        "loss": [("1", "2.5", "", "0.1", ""), ("2", "1.5", "", "0.4", "")],
        "confusion": [(a, a), (a, b), (b, b)],
        "recall": [(a, "0.5", "0.1", "0.9", "1", "2", "2"), (c, "", "", "", "0", "0", "0")],
        "map": [("1", "2", a, a, "yes", "i/1"), ("-1", "0", c, a, "no", HOSTILE)],
    }
    rows = first.get(name, first["loss"])
    return [dict(zip(charts.CHARTS[name].columns, (*r, weights), strict=True)) for r in rows]


def svg(spec, version=charts.VERSION):
    return vl_convert.vegalite_to_svg(spec, vl_version=version)


def drawn(name, weights="mirror"):
    return svg(charts.spec(charts.CHARTS[name], rows_of(name, weights), "this run", TEMPLATES))


def test_dvc_yaml_declares_the_charts_of_the_report():
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    found = set()
    for entry in declared:
        if isinstance(entry, str):
            continue
        ((name, plot),) = entry.items()
        files = plot["y"] if isinstance(plot["y"], dict) else {name: plot["y"]}
        ((file, y),) = files.items()
        y = tuple(y) if isinstance(y, list) else y
        found.add((file, plot["template"], plot["x"], y, plot.get("y_label", "")))
    assert found == {
        (f"reports/{c.file}", c.template, c.x, c.y, c.y_label) for c in charts.CHARTS.values()
    }
    assert {e for e in declared if isinstance(e, str)} == {
        "reports/mistakes.png",
        "reports/samples.png",
    }


def test_each_template_is_used_and_has_no_anchor_that_is_left_unfilled():
    assert {p.stem for p in TEMPLATES.iterdir()} == {c.template for c in charts.CHARTS.values()}
    for name, chart in charts.CHARTS.items():
        spec = charts.spec(chart, rows_of(name), "this run", TEMPLATES)
        assert "<DVC_METRIC" not in json.dumps(spec), name


@pytest.mark.parametrize("name", charts.CHARTS)
def test_a_chart_shows_its_rows_and_says_untrained(name):
    assert "untrained" not in drawn(name)
    text = drawn(name, "untrained")
    assert "untrained" in text
    assert HOSTILE not in text


def test_the_confusion_has_a_cell_for_each_pair_and_every_class_on_both_axes():
    rows = rows_of("confusion")
    rows[2] |= {"predicted": NAMES[2]}  # a class that no image has, and one that is never said
    text = svg(charts.spec(charts.CHARTS["confusion"], rows, "this run", TEMPLATES))
    assert text.count("images: 1") == 3
    assert text.count("quote &quot; and") + text.count('quote " and') >= 2


def test_few_classes_have_larger_cells_than_many():
    def step(n):
        rows = [{"actual": f"{i}", "predicted": f"{i}", "weights": ""} for i in range(n)]
        spec = charts.spec(charts.CHARTS["confusion"], rows, "this run", TEMPLATES)
        return spec["spec"]["width"]["step"]

    assert [step(n) for n in (1, 3, 12, 43)] == [56, 56, 35, 22]


@pytest.mark.parametrize("name", charts.CHARTS)
def test_without_values_there_is_no_chart(name):
    assert charts.spec(charts.CHARTS[name], [], "this run", TEMPLATES) is None


def test_a_template_that_is_gone_is_told(tmp_path):
    with pytest.raises(InputError, match=r"class_recall.json is not here; `git checkout"):
        charts.spec(charts.CHARTS["recall"], rows_of("recall"), "this run", tmp_path)


@pytest.mark.parametrize("name", charts.CHARTS)
@pytest.mark.parametrize("version", ["5.8", charts.VERSION])
def test_dvc_fills_the_templates_for_two_revisions(name, version):
    """5.8 is the oldest Vega-Lite that vl-convert has; DVC's own page loads 5.2."""
    chart = charts.CHARTS[name]
    many = not isinstance(chart.y, str)
    columns = chart.y if many else [chart.y]
    rows = [
        row
        | {"rev": rev, "filename": chart.file, "field": column}
        | ({"dvc_inferred_y_value": row[column]} if many else {})
        for rev, weights in (("main", "mirror"), ("other", "untrained"))
        for row in rows_of(name, weights)
        for column in columns
    ]
    renderer = VegaRenderer(
        rows,
        name,
        template=chart.template,
        template_dir=str(TEMPLATES),
        title="A title",
        x=chart.x,
        y="dvc_inferred_y_value" if many else chart.y,
        anchors_y_definitions=[{"filename": chart.file, "field": y} for y in columns],
        revs_with_datapoints=["main", "other"],
    )
    text = svg(renderer.get_filled_template(), version)
    assert "A title" in text
    assert "main" in text
    assert "other" in text
    assert "untrained" in text
