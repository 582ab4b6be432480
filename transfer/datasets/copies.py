"""Dataset folders in copies of the workspace, where queued experiments run.

`dvc exp run --queue` and `--temp` run the stages in a copy that holds only what git or DVC tracks,
and name the workspace itself by $DVC_ROOT.  So a folder may be there and not here.
"""

import os
from pathlib import Path

from transfer.errors import InputError


def original(folder):
    """The workspace's own folder that the relative path `folder` names, or None where the current
    folder is no copy."""
    root = os.environ.get("DVC_ROOT")
    if not root or Path(root).resolve() == Path.cwd() or Path(folder).is_absolute():
        return None
    return Path(root, folder)


def check(folder):
    """Raises InputError where `folder` is a link without a folder behind it, or lies in the
    workspace and not in this copy of it; any other that is missing is not told of here."""
    there = original(folder)
    if folder.is_symlink() and not folder.is_dir():
        target = folder.readlink()
        if there and there.is_dir() and not target.is_absolute():
            raise InputError(
                f"{folder} is a link to {target}, which leads to no folder from the copy of the "
                "workspace that this experiment runs in; make the link absolute, `git add` it and "
                "run the experiment again"
            )
        raise InputError(
            f"{folder} is a link to {target}, where no folder is; correct or remove the link"
        )
    if there and there.is_dir() and not folder.exists():
        raise InputError(
            f"{folder} is not in the copy of the workspace that this experiment runs in, which "
            f"holds only what git or DVC tracks; {_remedy(folder, there)} and run the experiment "
            "again"
        )


def _remedy(folder, there):
    added = f"{folder}.dvc"
    if there.with_name(f"{there.name}.dvc").exists():
        return f"`git add {added}`"
    if there.is_symlink():
        change = "" if there.readlink().is_absolute() else f"make the link {folder} absolute, "
        return f"{change}`git add {folder}`"
    return f"`git add {folder}`, or `dvc add {folder}` and `git add {added}`,"


def shortfall(folder):
    """One sentence on the files of the workspace's `folder` that this copy's lacks, "" for none.

    What has a name that begins with a dot counts for nothing, as it does for the readers.
    """
    there = original(folder)
    if not there or not there.is_dir() or there.samefile(folder):
        return ""
    lacking, first = 0, None
    for name in _names(there):
        here = os.path.join(folder, name)
        if not os.path.lexists(here) or os.path.isdir(here):
            lacking, first = lacking + 1, min(name, first or name)
    if not lacking:
        return ""
    return (
        f"{lacking} files of {folder} in the workspace, the first {first}, are not in "
        "the copy of it that this experiment runs in: git and DVC do not track them (see `git "
        "status --ignored`, `dvc status`), or they came after the experiment was queued"
    )


def _names(folder):
    """Yields the POSIX paths of the files below `folder`, which may be a million."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(place).relative_to(folder).as_posix()
        for name in files:
            if not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"
