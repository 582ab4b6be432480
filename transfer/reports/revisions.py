"""The predictions of a run that DVC knows: of the workspace, of a git revision or an experiment."""

import csv
import io
from pathlib import Path

from transfer.errors import InputError, unknown
from transfer.reports import experiments, predictions

WORKSPACE = "workspace"
PATH = "reports/predictions.csv"


def read(name, root="."):
    """The rows of reports/predictions.csv of the run `name`, as dicts of text.

    name: workspace, a git revision or an experiment of the repository `root`, whose cached outputs
    DVC finds.  Raises InputError where there is no such run, where it has not finished, and where
    its predictions are lost or of another version.
    """
    if not name:  # which git takes for HEAD
        raise _no_run(name, root)
    if name == WORKSPACE:
        return predictions.read(Path(root, PATH))
    text = _text(name, root)
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as fault:
        raise InputError(f"{PATH} of {name} is not a table: {fault}; {_again(name)}") from None
    short = next((row for row in rows if len(row) != len(header)), None)
    if tuple(header) != predictions.COLUMNS or short:
        found = f"the row {','.join(short)}" if short else f"the columns {', '.join(header)}"
        raise InputError(
            f"{PATH} of {name} has {found}; expected {', '.join(predictions.COLUMNS)}: an older "
            f"version wrote it; {_again(name)}"
        )
    return [dict(zip(header, row, strict=True)) for row in rows]


def _text(name, root):
    # Not at the top: whoever asks for another command must not wait for DVC.
    import dvc.api  # noqa: PLC0415
    from dvc.exceptions import DvcException, NotDvcRepoError  # noqa: PLC0415
    from dvc.scm import RevError, SCMError  # noqa: PLC0415

    try:
        return dvc.api.read(PATH, repo=str(root), rev=name, encoding="utf-8")
    except RevError:
        raise _no_run(name, root) from None
    except (NotDvcRepoError, SCMError) as fault:
        raise InputError(f"DVC can't look for {name} here: {fault}") from None
    except (DvcException, OSError, UnicodeDecodeError) as fault:
        reason = " ".join(str(fault).split()).rstrip(".") or type(fault).__name__
        raise InputError(
            f"{PATH} of {name} can't be had ({reason}): an older version wrote none, or it is no "
            f"longer in DVC's cache; `dvc pull` brings it from a remote; else {_again(name)}"
        ) from None


def _no_run(name, root):
    """The InputError for `name`, which git does not know; says so where DVC knows its fate."""
    rows = experiments.show(root)
    state = {row.name: row.state for row in rows}.get(name)
    if state in ("failed", "queued", "running"):
        what = {"failed": "failed", "queued": "is queued", "running": "is running"}[state]
        return InputError(f"the experiment {name} {what}: it has no predictions to compare")
    known = [WORKSPACE, *(row.name for row in rows if row.state in ("commit", "done"))]
    return unknown("run (experiment, git revision or workspace)", name, known)


def _again(name):
    return f"run {name} again to have it compared"
