"""The report page: what it says, that it is safe, and that a real browser shows it from a file."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import md5, sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.evaluated import prepare, run_stage
from tests.examples import fitted
from tests.imports import ROOT
from transfer.errors import InputError
from transfer.reports import charts, experiments, page, runs

HOSTILE = "</script><img src=x onerror=alert(1)>"
CLASSES = ["größe, 'ä'", HOSTILE, "c", "d" * 90]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if
     (found := shutil.which(name))), None,
)  # fmt: skip
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--no-first-run"),
]
EXPERIMENTS = [
    experiments.Experiment("workspace", "workspace", {"net": "mini"}, {}),
    experiments.Experiment(
        f"one {HOSTILE}",
        "done",
        {"net": "vgg"},
        {"test": {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 0.9, "n": 4}},
    ),
    experiments.Experiment("two", "failed", {"net": "resnet"}, {}),
    experiments.Experiment("three", "queued", {"net": "mini"}, {}),
]


class Elements(HTMLParser):
    """Every start tag as (tag, attributes), the text, and the text of each script with an id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.blocks, self._at = [], [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._at = (tag, dict(attrs).get("id"))

    def handle_endtag(self, tag):
        self._at = None

    def handle_data(self, data):
        tag, id_ = self._at or (None, None)
        if tag == "script" and id_:
            self.blocks[id_] = self.blocks.get(id_, "") + data
        elif tag not in ("script", "style"):
            self.words.append(data)

    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run of four classes with odd names, its reports written."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(folder, CLASSES, test=24)
        run_stage(folder)
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    return folder


@pytest.fixture
def run(evaluated, tmp_path, monkeypatch):
    """A copy of `evaluated` to work in, in a place where DVC has no experiments to list."""
    folder = tmp_path / "run"
    shutil.copytree(evaluated, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(experiments, "show", lambda folder: EXPERIMENTS)
    return folder


def written():
    """The Elements of the page of the run in the working folder."""
    page.write()
    return Elements(Path("reports/report.html").read_text(encoding="utf-8"))


def numbers(found):
    """{(part, metric): value} that the metrics table names."""
    return {
        (attributes["data-part"], attributes["data-metric"]): float(attributes["value"])
        for tag, attributes in found.tags
        if tag == "data" and "data-metric" in attributes
    }


def expected(folder):
    metrics = json.loads((folder / "reports/metrics.json").read_text())
    return {(p, key): v for p in ("validation", "test") for key, v in metrics[p].items()}


def test_the_numbers_are_those_of_metrics_json(run):
    found = written()
    shown, measured = numbers(found), expected(run)
    assert shown == {key: measured[key] for key in shown}
    assert {key[1] for key in measured} - {key[1] for key in shown} <= {"n_groups"}
    assert json.loads(found.blocks["metrics"]) == json.loads(
        (run / "reports/metrics.json").read_text()
    )
    for key in ("accuracy", "accuracy_low", "log_loss"):
        assert f"{measured['test', key]:.4f}" in found.text()


def test_the_page_says_what_was_run(run):
    text = written().text()
    assert "mini on sample" in text
    assert "untrained" in text
    assert "rendered" in text
    for key in page.runs.params.KEYS:
        assert key in text
    assert '"size": 64' in text
    for name in CLASSES:
        assert name in text


def test_experiments_stand_side_by_side(run):
    found = written()
    (here,) = [a for tag, a in found.tags if tag == "tr" and "aria-current" in a]
    assert here["class"] == "here"
    for words in (
        f"one {HOSTILE}",
        "net vgg",
        "0.7500 0.5000",
        "two failed",
        "three queued",
    ):
        assert words in found.text()


def test_without_experiments_the_page_says_why(run, monkeypatch):
    def refuse(folder):
        raise InputError("dvc exp show can't list experiments: you are not inside of a repository")

    monkeypatch.setattr(experiments, "show", refuse)
    assert "can't list experiments: you are not inside" in written().text()
    monkeypatch.setattr(experiments, "show", lambda folder: EXPERIMENTS[:1])
    assert "No experiment stands on this commit yet" in written().text()


def test_nothing_comes_from_elsewhere_and_no_name_becomes_markup(run):
    found = written()
    for tag, attributes in found.tags:
        assert tag not in ("iframe", "object", "embed", "base")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), (tag, attributes)
    assert len([tag for tag, _ in found.tags if tag == "img"]) == 2
    assert len([a for tag, a in found.tags if tag == "script" and "type" not in a]) == 2
    style = Path("reports/report.html").read_text().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    for name in charts.CHARTS:
        assert json.loads(found.blocks[f"spec-{name}"])["$schema"] == charts.SCHEMA
    assert HOSTILE in found.blocks["spec-map"].encode().decode("unicode_escape")


def test_the_policy_allows_the_pages_own_scripts_alone(run):
    page.write()
    text = Path("reports/report.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(sha256(script.encode()).digest()).decode() for script in scripts]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]


def test_every_picture_and_table_can_be_read_aloud(run):
    tags = written().tags
    assert [a["lang"] for tag, a in tags if tag == "html"] == ["en"]
    assert all(a["alt"] for tag, a in tags if tag == "img")
    assert all(a["scope"] in ("row", "col") for tag, a in tags if tag == "th")
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(set(ids)) == len(ids)
    targets = {a["href"][1:] for tag, a in tags if tag == "a"}
    assert targets <= set(ids)


def test_the_same_run_gives_the_same_page(run):
    first = page.write()
    before = Path("reports/report.html").read_bytes()
    assert page.write() == first
    assert "reports/report.html holds the report" in first
    assert Path("reports/report.html").read_bytes() == before


def test_a_run_without_a_part_or_a_curve_has_a_page_too(run):
    metrics = json.loads(Path("reports/metrics.json").read_text())
    del metrics["test"], metrics["validation"]
    Path("reports/metrics.json").write_text(json.dumps(metrics))
    for name in ("curves", "confusion", "recall", "map", "predictions"):
        path = Path(f"reports/{name}.csv")
        path.write_text(path.read_text().splitlines()[0] + "\n")
    found = written()
    assert "There were no validation or test images to measure on" in found.text()
    assert found.text().count("There is nothing to draw") == 5


def test_a_head_without_epochs_has_a_page_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, kind="logistic")
    run_stage(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots")
    monkeypatch.setattr(experiments, "show", lambda folder: EXPERIMENTS)
    columns = "epoch,loss,val_loss,acc,val_acc,weights\n"
    assert Path("reports/curves.csv").read_text() == columns
    text = written().text()
    assert "A head of the kind logistic is fitted without epochs, so there are no curves" in text
    assert "There is nothing to draw" not in text
    head = json.loads(Path("reports/metrics.json").read_text())["head"]
    assert head["kind"] == "logistic"
    assert f"fold_accuracy {head['fold_accuracy']:.4g}; fold_log_loss " in text


@pytest.mark.parametrize(
    "name", ["metrics.json", "predictions.csv", "recall.csv", "map.csv", "mistakes.png"]
)
def test_a_missing_output_is_told_in_one_sentence(run, name):
    Path("reports", name).unlink()
    with pytest.raises(InputError, match=rf"^reports/{name} is not here; run `dvc repro`$"):
        page.write()
    assert not Path("reports/report.html").exists()


def test_a_missing_head_and_outputs_of_another_version_are_told(run):
    Path("reports/recall.csv").write_text("class,recall\na,1\n")
    with pytest.raises(InputError, match=r"recall.csv has the columns class, recall; expected"):
        page.write()
    for damaged in ('{"validation": {"accuracy": "high"}}', "[]", "{}", '{"n_train": 3}'):
        Path("reports/metrics.json").write_text(damaged)
        with pytest.raises(InputError, match=r"metrics.json does not hold what evaluate measures"):
            page.write()
    Path("models/head.npz").unlink()
    with pytest.raises(InputError, match=r"there is no head at models/head.npz"):
        page.write()


def test_params_that_did_not_run_are_refused(run):
    values = {"net": "mini", "head.epochs": 7}
    lock = {"stages": {"train": {"params": {"params.yaml": values}}, "index": {}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    with pytest.raises(
        InputError, match=r"has head.epochs: 'auto', but the last run had 7; run `dvc"
    ):
        page.write()
    values["head.epochs"] = "auto"
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    page.write()
    for damaged in ("stages: [", "stages: 3", "stages: {train: {outs: [{path: x}]}}", "- 1"):
        Path("dvc.lock").write_text(damaged)
        with pytest.raises(InputError, match=r"dvc.lock is damaged"):
            page.write()


@pytest.mark.parametrize("path", ["models/head.npz", "reports/metrics.json", "reports/map.csv"])
def test_files_of_another_run_are_refused(run, path):
    outs = [
        {"path": str(file), "md5": md5(file.read_bytes()).hexdigest()}
        for file in (*Path("reports").iterdir(), Path("models/head.npz"))
    ]
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": {"evaluate": {"outs": outs}}}))
    page.write()
    if path.endswith(".npz"):
        fitted(epochs=3).save(path)
    else:
        Path(path).write_text(Path(path).read_text().replace("0", "1"))
    with pytest.raises(InputError, match=rf"^{path} is not of the run that dvc.lock tells of"):
        page.write()


def test_the_revision_is_gits_where_there_is_one(run):
    def revision():
        return runs.read("reports/metrics.json", "models/head.npz").revision

    def git(*words):
        author = {f"GIT_{w}_{x}": "t" for w in ("AUTHOR", "COMMITTER") for x in ("NAME", "EMAIL")}
        words = ["git", *words]
        subprocess.run(words, env=os.environ | author, check=True, capture_output=True)

    assert revision() == ""
    git("init")
    assert revision() == ""
    git("add", "params.yaml")
    git("commit", "-m", "state")
    assert re.fullmatch("[0-9a-f]{7,}", revision())
    with Path("params.yaml").open("a") as file:
        file.write("# an edit\n")
    assert revision().endswith(" and changes")


def test_another_command_does_not_wait_for_what_the_page_alone_needs():
    code = "import sys, transfer.reports.page\n"
    code += (
        "print({'sklearn', 'jinja2', 'vl_convert', 'dvc_render', 'matplotlib'} & {*sys.modules})"
    )
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    assert run.stdout == "set()\n"


# --- in a browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; `apt-get install chromium` brings one")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1600, "light")])
def test_a_browser_shows_it_from_a_file(run, browser, width, scheme):
    page.write()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    said, asked = [], []
    tab.on("console", lambda message: said.append((message.type, message.text)))
    tab.on("pageerror", lambda error: said.append(("error", str(error))))
    tab.on("dialog", lambda dialog: (said.append(("dialog", dialog.message)), dialog.dismiss()))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((run / "reports/report.html").resolve().as_uri())
    tab.wait_for_selector("html[data-ready]", timeout=30_000)

    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    shown = tab.eval_on_selector_all(
        "data[data-metric]",
        "nodes => nodes.map(n => [n.dataset.part, n.dataset.metric, n.value, n.textContent])",
    )
    measured = expected(run)
    for part, metric, value, text in shown:
        assert float(value) == measured[part, metric]
        digits = 0 if metric.startswith("n") else page.DIGITS
        assert text == f"{measured[part, metric]:.{digits}f}"
    marks = {
        name: tab.locator(f"figure[data-chart={name}] svg {mark}").count()
        for name, mark in {
            "loss": ".mark-line path",
            "accuracy": ".mark-line path",
            "confusion": ".mark-text text",
            "recall": ".mark-symbol path",
            "map": ".mark-symbol path",
        }.items()
    }
    assert marks["loss"] >= 2
    assert marks["accuracy"] >= 2
    assert marks["confusion"] >= 4
    assert marks["recall"] >= 4
    assert marks["map"] >= 24
    assert tab.eval_on_selector_all("img", "nodes => nodes.every(n => n.naturalWidth > 300)")
    context.close()


def test_a_tooltip_shows_a_hostile_name_as_text(run, browser):
    page.write()
    tab = browser.new_page()
    said = []
    tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    tab.goto((run / "reports/report.html").resolve().as_uri())
    tab.wait_for_selector("html[data-ready]", timeout=30_000)
    point = f'figure[data-chart=recall] path[aria-label*="{HOSTILE}"]'
    tab.locator(point).first.hover(force=True)
    tip = tab.locator("#vg-tooltip-element.visible")
    tip.wait_for(timeout=5000)
    assert HOSTILE in tip.inner_text()
    assert tip.locator("img").count() == 0
    assert said == []
