"""The run that lies in the workspace: its head, metrics and params, and whether they are of one."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from transfer import params
from transfer.downloads import fetching
from transfer.errors import InputError
from transfer.heads import trained

PARTS = ("validation", "test")


@dataclass(frozen=True)
class Run:
    """metrics: the dict of metrics.json; params: {dotted key: value}; revision: git's, or ""."""

    head: trained.Head
    metrics: dict
    params: dict
    revision: str

    @property
    def untrained(self):
        return trained.is_untrained(self.head.recipe)


def read(metrics, head, params_file="params.yaml", lock="dvc.lock"):
    """The Run of these files.

    Raises InputError where one is missing or damaged, and where, as `lock` tells (where it is
    there), params.yaml has been edited since or a file is of another run: a report of what did not
    run together would lie.
    """
    values = params.read(*params.KEYS, path=params_file)
    model = trained.load(head)
    found = _metrics(metrics)
    stages = _ran(Path(lock))
    for key, ran in _params(stages, Path(params_file).name).items():
        if key in values and ran != values[key]:
            raise InputError(
                f"{params_file} has {key}: {values[key]!r}, but the last run had {ran!r}; "
                "run `dvc repro`, or take the edit back"
            )
    for path, md5 in _outputs(stages).items():
        if path.is_file() and fetching.digests_of(path)["md5"] != md5:
            raise InputError(
                f"{path} is not of the run that {lock} tells of; run `dvc checkout`, or `dvc repro`"
            )
    return Run(model, found, values, _revision())


def _metrics(path):
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        measured = [found[part] for part in PARTS if part in found]
        numbers = [m[key] for m in measured for key in ("accuracy", "accuracy_low", "n")]
        if not all(isinstance(number, int | float) for number in (*numbers, found["n_train"])):
            raise TypeError("no numbers")
        return found | {key: str(found[key]) for key in ("data", "weights")}
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro`") from None
    except (ValueError, KeyError, TypeError) as fault:
        raise InputError(
            f"{path} does not hold what evaluate measures ({fault}); run `dvc repro`"
        ) from None


def _ran(lock):
    """{name: entry} of the stages in `lock`, {} without one."""
    if not lock.is_file():
        return {}
    try:
        stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
        _params(stages, ""), _outputs(stages)
        return stages
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise InputError(f"{lock} is damaged; `git checkout {lock}` and run `dvc repro`") from None


def _params(stages, name):
    """{dotted key: value} of the params file `name` that the stages last ran with."""
    found = {}
    for stage in stages.values():
        found |= stage.get("params", {}).get(name, {})
    return dict(sorted(found.items()))


def _outputs(stages):
    """{path: md5} of the head and of all that evaluate wrote."""
    shown = [stages[name] for name in ("train", "evaluate") if name in stages]
    return {Path(out["path"]): out["md5"] for stage in shown for out in stage.get("outs", ())}


def _revision():
    """Short hash of git's commit, with "and changes" where the tree has some; "" without git."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + (" and changes" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*words):
    run = subprocess.run(
        ["git", *words], capture_output=True, text=True, check=True, timeout=10, encoding="utf-8"
    )
    return run.stdout.strip()
