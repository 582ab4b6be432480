"""The run that lies in the workspace: its head, metrics and params, and whether they are of one."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from transfer import params
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

    Raises InputError where one is missing or damaged, and where params.yaml has been edited since
    (told by `lock`, where it is there): a report of values that did not run would lie.
    """
    values = params.read(*params.KEYS, path=params_file)
    model = trained.load(head)
    found = _metrics(metrics)
    ran = _ran(Path(lock), Path(params_file).name)
    for key in sorted(ran.keys() & values.keys()):
        if ran[key] != values[key]:
            raise InputError(
                f"{params_file} has {key}: {values[key]!r}, but the last run had {ran[key]!r}; "
                "run `dvc repro`, or take the edit back"
            )
    return Run(model, found, values, _revision())


def _metrics(path):
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        measured = [found[part] for part in PARTS if part in found]
        numbers = [m[key] for m in measured for key in ("accuracy", "accuracy_low", "n")]
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("no numbers")
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro`") from None
    except (ValueError, KeyError, TypeError) as fault:
        raise InputError(
            f"{path} does not hold what evaluate measures ({fault}); run `dvc repro`"
        ) from None
    return found


def _ran(lock, name):
    """{dotted key: value} of the params file `name` that the stages last ran with."""
    if not lock.is_file():
        return {}
    try:
        stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"].values()
        return {k: v for stage in stages for k, v in stage.get("params", {}).get(name, {}).items()}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise InputError(f"{lock} is damaged; `git checkout {lock}` and run `dvc repro`") from None


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
