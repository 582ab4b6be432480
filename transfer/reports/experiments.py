"""DVC's experiments side by side, as `dvc exp show` knows them."""

import json
import subprocess
import sys
from dataclasses import dataclass

from transfer.errors import InputError
from transfer.reports.runs import PARTS

PATIENCE = 30  # seconds; a repository of some hundred experiments takes about 5


@dataclass(frozen=True)
class Experiment:
    """A row: the workspace, the commit below the experiments, or one of them.

    state: workspace, commit, done, queued, running or failed; params: {dotted key: value};
    metrics: {part: dict of metrics.json}, of a finished run alone.
    """

    name: str
    state: str
    params: dict
    metrics: dict


def show(folder="."):
    """The Experiments above the current commit, the workspace first.

    Raises InputError where DVC can't list them: outside of git, or without a commit.
    """
    words = [sys.executable, "-m", "dvc", "exp", "show", "--json"]
    try:
        run = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"dvc exp show took more than {PATIENCE} seconds; look at it in a terminal"
        ) from None
    if run.returncode:
        raise InputError(f"dvc exp show can't list experiments: {_reason(run.stderr)}")
    return parsed(run.stdout)


def parsed(text):
    """The Experiments in what `dvc exp show --json` prints; a queued or failed run has no metrics
    (DVC lists those of the commit it began from)."""
    try:
        tree = json.loads(text)
        return [row for entry in tree for row in _rows(entry)]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as fault:
        raise InputError(
            f"dvc exp show printed what this version does not know: {fault!r}"
        ) from None


def varying(rows):
    """The dotted keys, sorted, whose values differ between `rows` that have params at all."""
    known = [row.params for row in rows if row.params]
    keys = sorted({key for params in known for key in params})
    return [key for key in keys if any(p.get(key) != known[0].get(key) for p in known)]


def _rows(entry):
    is_workspace = entry["rev"] == "workspace"
    name = entry["name"] or ("workspace" if is_workspace else entry["rev"][:7])
    yield _experiment(name, "workspace" if is_workspace else "commit", entry)
    for experiment in entry.get("experiments") or []:
        newest = experiment["revs"][0]
        state = (experiment.get("executor") or {}).get("state") or "done"
        state = {"success": "done"}.get(state, state)
        if newest.get("error") and state == "done":
            state = "failed"
        yield _experiment(experiment["name"] or newest["rev"][:7], state, newest)


def _experiment(name, state, entry):
    data = entry.get("data") or {}
    params = (data.get("params") or {}).get("params.yaml") or {}
    metrics = (data.get("metrics") or {}).get("reports/metrics.json") or {}
    found = {}
    if state in ("workspace", "commit", "done"):
        known = metrics.get("data") or {}
        found = {part: known[part] for part in PARTS if "accuracy" in known.get(part, {})}
    return Experiment(name, state, dict(_flat(params.get("data") or {})), found)


def _flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _reason(stderr):
    """The fault among the lines that DVC printed, without the full stop of its own."""
    lines = stderr.strip().splitlines() or ["it gave no reason"]
    faults = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (faults or lines)[0].strip().rstrip(".")
