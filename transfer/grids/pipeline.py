"""The stages of dvc.yaml run one after another in a scratch folder, each where it must be.

A stage is skipped if its command, the parameters it declares and the contents of what other stages
gave it are those of its last run, as in `dvc repro`.  Code, cards and datasets do not change while
a Pipeline lives: whoever uses it makes sure.
"""

import hashlib
import json
import os
import shutil

from transfer.errors import InputError
from transfer.grids import workspaces

METRICS = "reports/metrics.json"


class Pipeline:
    """A scratch workspace and what lies in it."""

    def __init__(self, root, folder, store):
        self._space, self._store = workspaces.made(root, folder), store
        self._stages = workspaces.stages(root)
        self._made = {}  # path of an output: (signature of the run that wrote it, its digest)
        self._faults = {}  # signature: what the stage said

    def run(self, settings):
        """The dict of metrics.json under `settings`, {dotted key of params.yaml: value}.

        Raises InputError with the sentence of the stage that failed.
        """
        params = workspaces.parameters(self._space.root, settings)
        for name, stage in self._stages.items():
            written = [plain(path, params) for path in outputs(stage)]
            signature = self._signature(stage, params)
            if all(self._made.get(path, ("",))[0] == signature for path in written):
                continue
            if signature in self._faults:
                raise InputError(self._faults[signature])
            self._clear(written)
            try:
                self._space.stage(name, settings, self._store)
            except InputError as fault:
                self._faults[signature] = str(fault)
                raise
            for path in written:
                self._made[path] = (signature, digest(self._space.folder / path))
        return json.loads((self._space.folder / METRICS).read_text(encoding="utf-8"))

    def _signature(self, stage, params):
        """Digest of all that decides what `stage` writes, but for what never changes here."""
        inputs = [self._made.get(plain(path, params), ("", ""))[1] for path in stage["deps"]]
        command = workspaces.filled(stage["cmd"], params)
        return json_digest([command, self._declared(stage, params), inputs])

    def _declared(self, stage, params):
        """The values that the `params` of `stage` name; of another file than params.yaml, all."""
        flat, found = workspaces.flat(params), {}
        for entry in stage.get("params", []):
            if isinstance(entry, str):
                found |= {k: v for k, v in flat.items() if f"{k}.".startswith(f"{entry}.")}
            elif "params.yaml" in entry:  # without keys: all of them
                found |= flat
            else:
                for template in entry:
                    path = self._space.folder / workspaces.filled(template, params)
                    found[template] = digest(path) if path.exists() else ""
        return found

    def _clear(self, paths):
        """Takes outputs away before a stage writes them, as DVC does."""
        for path in paths:
            self._made.pop(path, None)
            place = self._space.folder / path
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)


def outputs(stage):
    """The templates of the paths that `stage`, an entry of dvc.yaml, writes."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in listed]


def digest(path):
    """Hex sha256 of a file's bytes, or of the names and bytes of all files below a folder."""
    if path.is_dir():
        names = sorted(p for p in path.rglob("*") if p.is_file())
        return json_digest([[str(p.relative_to(path)), digest(p)] for p in names])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(value):
    """Hex sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def plain(template, params):
    """The path of `template`; that of stage `check` goes through folders and back."""
    return os.path.normpath(workspaces.filled(template, params))
