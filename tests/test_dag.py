"""dvc.yaml against the code: what a stage imports and reads is what it declares."""

import ast
import hashlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.imports import ROOT, local_modules
from transfer import params

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]


def keys_read(stage):
    """The params that the script names in its one call of params.read."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "params.read"
    ]
    keys = []
    for call in calls:
        for argument in call.args:
            if ast.unparse(argument) == "*params.KEYS":
                keys += params.KEYS
            else:
                assert isinstance(argument, ast.Constant), f"{stage}: name the keys literally"
                keys.append(argument.value)
    return sorted(keys)


def outputs(stage, *kinds):
    """The paths that a stage writes, of the `kinds` (all: outs and metrics) of its block."""
    listed = (out for kind in kinds or ("outs", "metrics") for out in stage.get(kind, []))
    found = [out if isinstance(out, str) else next(iter(out)) for out in listed]
    # `check` writes to a path that goes through net and dataset and back.
    return [re.sub(r"\$\{\w+\}/\.\./", "", path) for path in found]


def test_stages_are_the_scripts():
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert set(STAGES) == scripts


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_imports(stage):
    declared = [dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")]
    expected = local_modules(f"stages/{stage}.py")
    assert sorted(declared) == expected, "deps of this stage must list:\n" + "\n".join(expected)


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_the_keys_read(stage):
    given = STAGES[stage].get("params", [])
    whole = {"params.yaml": None} in given  # any key, of those too that nobody knows
    declared = params.KEYS if whole else [key for key in given if isinstance(key, str)]
    assert sorted(declared) == keys_read(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_paths_in_the_command_are_deps_or_outs(stage):
    words = shlex.split(STAGES[stage]["cmd"])
    assert words[:3] == ["python", "-m", f"stages.{stage}"]
    outs = outputs(STAGES[stage])
    for path in words[4::2]:
        # The card is a dep by its `weights` key for fetch_weights.
        card = path.startswith("models/cards/") and stage == "fetch_weights"
        assert path in [*STAGES[stage]["deps"], *outs] or card
    assert set(outs) <= set(words)


@pytest.mark.parametrize("stage", STAGES)
def test_names_are_quoted_for_the_shell(stage):
    """A name may hold a space; params.yaml reaches the shell before any check of ours."""
    unquoted = [word for word in STAGES[stage]["cmd"].split() if "$" in word and word[0] != "'"]
    assert unquoted == []


def test_the_card_is_a_params_file_of_fetch_weights():
    assert {"models/cards/${net}.yaml": ["weights", "parameters"]} in STAGES["fetch_weights"][
        "params"
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_says_what_it_does(stage):
    assert STAGES[stage]["desc"]


def test_check_runs_before_the_names_reach_a_shell():
    assert "$" not in STAGES["check"]["cmd"]
    (checked,) = outputs(STAGES["check"])
    firsts = [stage for stage in STAGES if checked in STAGES[stage]["deps"]]
    assert firsts == ["fetch_data", "fetch_weights"]


def test_evaluate_alone_reads_the_test_pack():
    """What is chosen can't be chosen by images that a stage has no path to."""
    (pack,) = (out for out in outputs(STAGES["extract"]) if out.endswith("features_test.p"))
    assert [name for name, stage in STAGES.items() if pack in stage["deps"]] == ["evaluate"]
    named = [name for name, stage in STAGES.items() if pack in shlex.split(stage["cmd"])]
    assert named == ["extract", "evaluate"]


def test_no_other_stage_has_a_path_to_the_test_images_at_a_cut():
    (cut,) = (out for out in outputs(STAGES["extract"]) if out.endswith("activations_test"))
    assert [name for name, stage in STAGES.items() if cut in stage["deps"]] == ["evaluate"]


def test_an_upgrade_reruns_what_computes():
    assert {s for s in STAGES if "requirements.txt" in STAGES[s]["deps"]} == {
        "backbone",
        "extract",
        "train",
        "evaluate",  # the map and the sheets
    }


def test_the_committed_lock_is_of_this_code():
    """Else the first `make repro` of a clone leaves a change; `make repro` and commit dvc.lock."""
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))
    for stage, entry in lock["stages"].items():
        for dep in entry["deps"]:
            if dep["path"].endswith((".py", ".txt")):
                digest = hashlib.md5((ROOT / dep["path"]).read_bytes()).hexdigest()
                assert dep["md5"] == digest, f"{stage}: {dep['path']}"


def test_params_yaml_has_the_keys_there_are():
    params.unread_keys(ROOT / "params.yaml")
    assert set(params.read(*params.KEYS, path=ROOT / "params.yaml")) == set(params.KEYS)


def test_outputs_are_ignored_by_pattern_and_metrics_are_not():
    values = {"${net}": "x", "${dataset}": "y", "${split.per_class}": "7"}
    for stage in STAGES.values():
        for path in outputs(stage, "outs"):
            for name, value in values.items():
                path = path.replace(name, value)  # noqa: PLW2901
            ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
            assert ignored.returncode == 0, path
    kept = subprocess.run(
        ["git", "check-ignore", "-q", "reports/metrics.json"], cwd=ROOT, check=False
    )
    assert kept.returncode == 1


def test_the_walk_of_imports_follows_packages_and_skips_docstrings(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.imports.ROOT", tmp_path)
    for name, text in {
        "a.py": "import b.c\nfrom d import e, f\n",
        "b/__init__.py": '"""Words."""\n',
        "b/c.py": "def late():\n    import g\n",
        "d/__init__.py": "f = 1\n",
        "d/e.py": "import os\n",
        "g.py": "x = 1\n",
        "unused.py": "x = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert local_modules("a.py") == ["a.py", "b/c.py", "d/__init__.py", "d/e.py", "g.py"]


def test_no_module_is_left_out_of_every_stage():
    """What no stage, command or test tool needs is dead."""
    used = {m for stage in STAGES for m in local_modules(f"stages/{stage}.py")}
    used |= set(local_modules("transfer/__main__.py")) | set(local_modules("feature_extraction.py"))
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / "transfer").rglob("*.py")}
    modules = {m for m in modules if Path(m).name != "__init__.py"}
    assert modules - used == set()
