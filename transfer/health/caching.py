"""DVC: its version, and how it would link big outputs from its cache."""

import contextlib
import os
from importlib import metadata
from pathlib import Path

import yaml

from transfer import trees
from transfer.errors import InputError
from transfer.features.store.upkeep import readable
from transfer.health import disks
from transfer.health.findings import off, well

DVC, LOCK = Path(".dvc"), Path("dvc.lock")
# Places of the outputs that may be big.
OUTPUTS = ("data/raw", "data/bottlenecks", "models/weights", "models/backbones")
BIG = 10**8  # bytes of outputs whose second copy is worth a word
TYPES = ("reflink", "copy")  # DVC's own default


def check(pipeline="dvc.yaml"):
    """The Finding about DVC, its file `pipeline`, and the links between its cache and the outputs
    in the workspace."""
    if not DVC.is_dir():
        return off(
            "dvc",
            f"{DVC} is not here, so nothing is versioned",
            "`git checkout HEAD -- .dvc`, or work in a clone",
        )
    if (refused := _without_pipeline(Path(pipeline)) or _torn(LOCK)) is not None:
        return refused
    from dvc.config import Config, ConfigError  # noqa: PLC0415  # where .dvc is alone

    try:
        config = Config(str(DVC.absolute()))
    except ConfigError as fault:
        return off("dvc", f"{DVC}/config can't be used: {' '.join(str(fault).split())}", "mend it")
    said = f"DVC {metadata.version('dvc')}"
    cache = Path(config["cache"].get("dir") or DVC.absolute() / "cache")
    if not os.access(disks.ground(cache), os.W_OK | os.X_OK):
        return off("dvc", f"{said}, its cache {cache} can't be written", "correct its rights")
    types = config["cache"].get("type") or TYPES
    works = {kind: links(kind, disks.ground(cache), Path()) for kind in types if kind != "copy"}
    first = next((kind for kind in types if works.get(kind, True)), "copy")
    lacking = [kind for kind, is_there in works.items() if not is_there]
    without = f" ({' and '.join(lacking)} can't be had)" if lacking else ""
    said += f", cache.type {','.join(types)}: {first}{without}"
    again = sum(disks.size(place) for place in OUTPUTS)
    if first == "copy" and again >= BIG:
        return off(
            "dvc",
            f"{said}, so {readable(again)} lie twice on the disk",
            "`dvc config --local cache.type hardlink,symlink`, then `dvc checkout --relink`",
        )
    return well("dvc", said)


def _without_pipeline(path):
    """The Finding that the stages can't be read from `path`, or None where they can."""
    try:
        if not isinstance(trees.required(path).value.get("stages"), dict):
            return off("dvc", f"{path} has no stages", f"`git checkout HEAD -- {path}`")
    except InputError as fault:
        if os.path.lexists(path):
            return off("dvc", str(fault), f"mend it; `git checkout HEAD -- {path}` takes it back")
        return off(
            "dvc",
            f"{path} is not here, so there is nothing to run",
            f"`git checkout HEAD -- {path}` has it back",
        )
    return None


def _torn(path):
    """The Finding that DVC refuses its file `path` of what the stages gave, or None.

    DVC writes it in place, so a kill at that moment leaves the half of it.
    """
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415  # where .dvc is alone
    from voluptuous import Invalid  # noqa: PLC0415

    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(trees.content(path)))
    except FileNotFoundError:  # nothing was run here
        return None
    except InputError as fault:
        said = str(fault)
    except (Invalid, yaml.YAMLError, ValueError):
        said = f"{path} was left half written by a killed process, and DVC refuses it"
    else:
        return None
    return off(
        "dvc",
        said,
        f"`git checkout HEAD -- {path}`, if no dvc command runs; its cache has what was run since",
    )


def links(kind, cache, workspace):
    """Whether files of the folder `cache` can be linked as `kind`, of DVC's names, in the folder
    `workspace`: tried with a small file, which is gone afterwards."""
    from dvc_objects.fs import system  # noqa: PLC0415  # where .dvc is alone

    source = cache.absolute() / f".{os.getpid()}.cached.part"
    target = workspace.absolute() / f".{os.getpid()}.part"
    try:
        source.write_bytes(b"link")
        getattr(system, kind)(str(source), str(target))
        return True
    except (OSError, NotImplementedError):
        return False
    finally:
        for path in (target, source):
            with contextlib.suppress(OSError):
                path.unlink()
