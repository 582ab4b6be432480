"""A repository laid out as the project's, whose stages only note that they ran."""

import shutil

import yaml

from tests.imports import ROOT

STAGES = {
    "check": {
        "deps": ["models/cards"],
        "params": [{"params.yaml": None}],
        "outs": ["data/checked"],
    },
    "fetch_data": {
        "deps": ["data/checked", "data/datasets/${dataset}", "lib.py"],
        "params": ["mirror"],
        "outs": ["data/raw/${dataset}"],
    },
    "index": {
        "deps": ["data/raw/${dataset}"],
        "params": ["split.by", "split.seed", "split.validation", "split.per_class"],
        "outs": ["data/index/${dataset}.csv"],
    },
    "train": {
        "deps": ["data/index/${dataset}.csv", "models/cards/${net}.yaml", "requirements.txt"],
        "params": ["head.epochs", "head.kind", {"models/cards/${net}.yaml": ["weights"]}],
        "outs": ["models/head.npz"],
    },
    "evaluate": {
        "deps": ["models/head.npz", "data/index/${dataset}.csv"],
        "metrics": [{"reports/metrics.json": {"cache": False}}],
    },
}

SCRIPT = """
import json, os, pathlib, sys, yaml
name = sys.argv[1]
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
with open(os.environ["STAGES_RAN"], "a") as log:
    log.write(name + "\\n")
if name == "train" and params["net"] == "broken":
    sys.exit("error: broken has no weights")
if name == "index" and params["dataset"] == "editing":
    pathlib.Path(os.environ["PYTHONPATH"], "lib.py").write_text("edited = True")
if name == "index" and params["dataset"] == "slow":
    import time
    time.sleep(60)
seed, epochs = params["split"]["seed"], params["head"]["epochs"]
for path in sys.argv[2:]:
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"check": "all is well", "fetch_data": params["dataset"]}.get(name, [seed, epochs])
    if path.name == "metrics.json":
        budget = params["split"]["per_class"]
        accuracy = min(0.999, 0.5 + seed / 100 + (0.3 if budget == "all" else budget / 1000))
        part = {"accuracy": accuracy, "accuracy_low": accuracy / 2, "accuracy_high": 1.0, "n": 1200}
        told = {"validation": part, "n_train": 90 if budget == "all" else 3 * budget}
        if params["dataset"] == "traffic":
            told["test"] = part | {"n": 2500}
    path.write_text(json.dumps(told))
"""


def made(folder, datasets=("sample",), nets=("mini", "other", "broken")):
    """The root of such a repository in `folder`, with rendered datasets and cards of these names.

    Its stages append their names to the file $STAGES_RAN.
    """
    for name in ("stages", "models/cards", "reports"):
        (folder / name).mkdir(parents=True)
    stages = {
        name: stage | {"cmd": f"python -m stages.{name} {name} {_first(stage)}"}
        for name, stage in STAGES.items()
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "requirements.txt").write_text("")
    (folder / "lib.py").write_text("edited = False")
    (folder / "stages/__init__.py").write_text("")
    for name in STAGES:
        (folder / f"stages/{name}.py").write_text(SCRIPT)
    for net in nets:
        (folder / f"models/cards/{net}.yaml").write_text(f"weights: {net}\n")
    for dataset in datasets:
        place = folder / "data/datasets" / dataset
        place.mkdir(parents=True)
        (place / "source.yaml").write_text("render: {seed: 0}\n")
    return folder


def _first(stage):
    out = (stage.get("outs") or stage["metrics"])[0]
    return f"'{out if isinstance(out, str) else next(iter(out))}'"
