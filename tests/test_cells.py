"""Cells of a grid: what is run and what is known, and what a fault or a kill costs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import tiny_repository
from tests.imports import ROOT
from transfer.downloads import kept
from transfer.errors import InputError
from transfer.grids import cells, scratch, settings, workspaces

ALL = list(tiny_repository.STAGES)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGES_RAN", str(tmp_path / "ran"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tiny_repository.made(tmp_path / "repo", ("sample", "second", "slow", "editing"))


def run(root, *given):
    return cells.run([cells.Cell(f"cell {n}", one) for n, one in enumerate(given)], root)


def ran():
    """The stages that ran since the last call, in order."""
    names = ran_so_far()
    Path(os.environ["STAGES_RAN"]).unlink(missing_ok=True)
    return names


def ran_so_far():
    log = Path(os.environ["STAGES_RAN"])
    return log.read_text().split() if log.exists() else []


def files(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_a_cell_gives_the_metrics_and_leaves_the_repository_as_it_is(root, tmp_path, capsys):
    before = files(root)
    first, second = run(root, {"split.seed": 3}, {"split.seed": 4, "head.epochs": 2})
    assert first.metrics["validation"]["accuracy"] == pytest.approx(0.63)
    assert second.metrics["validation"]["accuracy"] == pytest.approx(0.64)
    assert files(root) == before
    assert list((tmp_path / "tmp").rglob("*/*")) == []
    assert (
        capsys.readouterr().err
        == "[1/2] cell 0: validation accuracy .630\n[2/2] cell 1: validation accuracy .640\n"
    )


def test_what_is_known_runs_nothing(root, capsys):
    first = run(root, {"split.seed": 3})
    assert ran() == ALL
    again = run(root, {"split.seed": 3})
    assert ran() == []
    assert again == first
    assert capsys.readouterr().err == 2 * "[1/1] cell 0: validation accuracy .630\n"
    # What params.yaml says already is the same cell.
    run(root, {"split.seed": 3, "net": "mini"})
    assert ran() == []


def test_cells_share_what_is_equal_as_dvc_repro_would(root):
    run(root, {"head.epochs": 1}, {"head.epochs": 2}, {"head.epochs": 2, "strict": True})
    tail = ["train", "evaluate"]
    # The checked file is the same each time, so nothing reruns because of it.
    assert ran() == [*ALL, "check", *tail, "check"]


def test_an_output_that_another_cell_wrote_over_is_made_again(root):
    one, other = {"split.seed": 0}, {"split.seed": 1}
    found = run(root, one, other, one | {"head.epochs": 7})
    assert ran().count("index") == 3
    assert [o.metrics["validation"]["accuracy"] for o in found] == pytest.approx([0.6, 0.61, 0.6])
    run(root, {"dataset": "sample", "split.seed": 5}, {"dataset": "second", "split.seed": 5})
    assert ran().count("fetch_data") == 2


EDITS = {
    "code": ("lib.py", True),
    "requirements": ("requirements.txt", True),
    "card": ("models/cards/mini.yaml", True),
    "source": ("data/datasets/sample/source.yaml", True),
    "another card": ("models/cards/other.yaml", False),
    "another dataset": ("data/datasets/second/source.yaml", False),
    "notes": ("README.md", False),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_what_decides_makes_another_cell(root, edit):
    name, is_other = EDITS[edit]
    before = cells.path(root, {"net": "mini"})
    with (root / name).open("a") as file:
        file.write("\n# edited\n")
    assert (cells.path(root, {"net": "mini"}) != before) == is_other


def test_every_parameter_and_the_commands_make_another_cell(root):
    before = cells.path(root, {})
    assert cells.path(root, {"head.seed": 9}) != before
    assert cells.path(root, {"strict": True}) != before
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("stages.train train", "stages.train train  -v"))
    assert cells.path(root, {}) != before


def test_own_images_count_by_name_size_and_time(root):
    folder = root / "data/datasets/own/a"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"one")
    given = {"dataset": "own"}
    seen = {cells.path(root, given)}
    os.utime(folder / "1.png", ns=(1, 1))
    seen.add(cells.path(root, given))
    (folder / "2.png").write_bytes(b"two")
    seen.add(cells.path(root, given))
    assert len(seen) == 3
    assert cells.path(root, given) in seen


def test_a_mirror_counts_by_its_list(root, tmp_path):
    sums = tmp_path / "mirror/SHA256SUMS"
    sums.parent.mkdir()
    sums.write_text("")
    without, given = cells.path(root, {}), {"mirror": str(sums.parent)}
    assert cells.path(root, given) == without
    sums.write_text(f"{'0' * 64}  a.zip\n")
    assert cells.path(root, given) != without


def test_a_cell_that_fails_is_told_and_the_others_go_on(root, capsys):
    found = run(
        root,
        {"net": "broken"},
        {"net": "broken", "head.hidden": 3},
        {"dataset": "nowhere"},
        {"nte": "mini"},
        {"net": "mini"},
    )
    faults = [outcome.fault for outcome in found]
    assert faults[0] == faults[1] == "`python -m stages.train`: broken has no weights"
    assert faults[2].startswith("unknown dataset 'nowhere'; known: ")
    assert faults[3].startswith("unknown key of params.yaml 'nte'; known: net, ")
    assert (faults[4], found[4].metrics["n_train"]) == ("", 300)
    assert ran().count("train") == 2  # what failed is not tried again in the same run
    assert "[1/5] cell 0: failed: `python -m stages.train`: broken" in capsys.readouterr().err
    run(root, {"net": "broken"})
    assert "train" in ran()  # but in the next


def test_an_edit_while_cells_are_computed_ends_the_run(root):
    with pytest.raises(InputError, match=r"^lib\.py was edited while cells were computed; give"):
        run(root, {"net": "mini"}, {"dataset": "editing"})
    ran()
    (root / "lib.py").write_text("edited = False")
    run(root, {"net": "mini"})
    assert ran() == []  # what was done before is kept


def test_a_damaged_kept_cell_is_computed_again(root):
    (first,) = run(root, {})
    place = cells.path(root, {})
    known = place.read_text()
    damaged = known.replace('"n":', '"m":'), known.replace("0.", "0.9", 1), '{"metrics": {}}'
    for text in ("", "[]", '{"metric', *damaged):
        assert text != known
        place.write_text(text)
        assert run(root, {}) == [first]
    assert json.loads(place.read_text())["metrics"] == first.metrics


CODE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
from transfer.grids import cells
cells.run([cells.Cell(name, {"dataset": name}) for name in sys.argv[2:]], sys.argv[1])
"""


def started(root, *datasets, **how):
    words = [sys.executable, "-c", CODE, str(root), *datasets]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, **how)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_what_is_ended_goes_on_where_it_was(root, tmp_path, name):
    process = started(root, "sample", "slow", start_new_session=True)
    deadline = time.monotonic() + 60
    while ran_so_far().count("index") < 2:
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.05)
    os.killpg(process.pid, getattr(signal, name))
    process.communicate(timeout=120)
    left = list((tmp_path / "tmp/cells-scratch").iterdir())
    assert len(left) == (name == "SIGKILL")
    ran()
    run(root, {"dataset": "sample"}, {"dataset": "second"})
    assert "fetch_data" in ran()
    assert list((tmp_path / "tmp/cells-scratch").iterdir()) == []  # the killed run's too
    assert len(list((kept.store_folder() / "cells").iterdir())) == 2


def test_two_processes_do_not_harm_each_other(root):
    processes = [started(root, "sample", "second") for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert told == 2 * [
        "[1/2] sample: validation accuracy .600\n[2/2] second: validation accuracy .600\n"
    ]
    assert len(list((kept.store_folder() / "cells").iterdir())) == 2
    ran()
    run(root, {"dataset": "sample"}, {"dataset": "second"})
    assert ran() == []


def test_a_scratch_folder_in_use_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with scratch.folder() as one:
        (one / "file").write_text("")
        with scratch.folder() as other:
            assert other.parent == one.parent == tmp_path / "cells-scratch"
        assert (one / "file").exists()
    assert not one.exists()


def test_outside_of_the_repository_it_says_so(tmp_path):
    with pytest.raises(
        InputError, match=r"^params\.yaml is not here; run in the repository's root"
    ):
        workspaces.parameters(tmp_path, {})
    with pytest.raises(InputError, match=r"^dvc\.yaml is not here"):
        workspaces.stages(tmp_path)


def test_settings_are_yaml_values():
    words = ["split.validation=null", "extract.views=[plain]", "split.per_class=all", "mirror=''"]
    assert settings.parsed([*words, "head.strength=1e-06", "net=resnet"]) == {
        "split.validation": None,
        "extract.views": ["plain"],
        "split.per_class": "all",
        "mirror": "",
        "head.strength": 1e-6,
        "net": "resnet",
    }


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("net", r"^-S takes key=value, as -S net=resnet; received 'net'$"),
        ("hed.seed=1", r"^unknown key of params.yaml 'hed.seed'; known: head.seed, "),
        ("head.seed=x", r"^-S head.seed must be a whole number from 0; received 'x'$"),
        ("extract.views=" + "[" * 3000, r"^-S extract.views must be a YAML value; received '\["),
        ("extract.views=!!python/name:os.system ''", r"^-S extract.views must be a YAML value"),
        ("extract.views=[", r"^-S extract.views must be a YAML value; received '\['$"),
        ("net=", r"^-S net must be a card's name in models/cards; received ''$"),
    ],
)
def test_a_setting_that_is_none_is_refused(word, sentence):
    with pytest.raises(InputError, match=sentence):
        settings.parsed([word])
