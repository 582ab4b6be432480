"""The mirror: whether it is there and has the files of the run; the network is not asked."""

from pathlib import Path

from transfer.downloads import fetching, mirrors
from transfer.errors import InputError
from transfer.health.findings import off, well


def check(run, deep=False):
    """The Finding about the mirror for run.Run; `deep` hashes its files."""
    address = mirrors.address(run.given["mirror"])
    if mirrors.Mirror(address).is_web:
        return well("mirror", f"{address}, which is not asked before a run does")
    mirror = mirrors.find(address)
    count = len(mirror.sums)
    said = f"{mirror.address}, {count} file{'s' * (count != 1)}" if address else "none is named"
    wanted = [(fetching.available(files, mirror), folder) for files, folder in run.files]
    for file, folder in wanted:
        is_needed = file.path and not Path(folder, file.name).exists()
        if is_needed and (wrong := fault_of_shipped(file)):
            return off("mirror", wrong, f"git checkout HEAD -- {file.path}")
    wanted = [(file, folder) for file, folder in wanted if not file.path]
    listed = [file for file, _ in wanted if file.name in mirror.sums]
    for file in listed:
        wrong = fault(file, mirror, deep)
        if wrong:
            return off("mirror", wrong, "copy it there anew, and its line of SHA256SUMS")
    public = []
    for file, folder in wanted:
        if file in listed or Path(folder, file.name).exists():
            continue
        name = run.source.name if file in run.source.files else run.card.name
        try:
            fetching.plan(file, mirror, pin=name)
        except InputError as fault_:
            return off("mirror", str(fault_))
        public.append(file.name)
    if not wanted:
        return well("mirror", f"{said}; this run fetches nothing")
    told = [f"it has {_names(file.name for file in listed)}"] if listed else []
    told += [f"from the public address: {_names(public)}"] if public else []
    return well("mirror", "; ".join([said, *(told or ["all is fetched"])]))


def fault(file, mirror, deep=False):
    """What is wrong with `file`, which the folder `mirror` lists, or ""."""
    path = Path(mirror.at(file.name))
    if not path.is_file():
        return f"{path} is listed in {mirrors.SUMS} and is not there"
    count, digest = path.stat().st_size, mirror.sums[file.name]
    if not count:
        return f"{path} is empty"
    # Of another file than the published one, no size is known.
    if file.sha256 == digest and file.size and count != file.size:
        return f"{path} has {count:,} bytes, expected {file.size:,}"
    if deep:
        received = fetching.digests_of(path)["sha256"]
        if received != digest:
            return f"{path} has sha256 {received}, expected {digest} by {mirrors.SUMS}"
    return ""


def fault_of_shipped(file):
    """What is wrong with `file`, which comes with the repository and so is small, or ""."""
    path = Path(file.path)
    if not path.is_file():
        return f"{path}, which comes with the repository, is not there"
    count = path.stat().st_size
    if file.size and count != file.size:
        return f"{path} has {count:,} bytes, expected {file.size:,}"
    if not file.is_published(fetching.digests_of(path)):
        return f"{path} is another file than its card means"
    return ""


def _names(names):
    names = list(names)
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
