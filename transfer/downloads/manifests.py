"""manifest.json of a fetched folder: what was brought, and whether it is the published file."""

import json

from transfer.errors import InputError
from transfer.writing import write_json


def write(folder, origin, files=(), **more):
    """Writes `folder`/manifest.json.

    origin: published, mirror, own, rendered or untrained; files: dicts of `fetching.fetch`.
    """
    write_json(folder / "manifest.json", {"origin": origin, "files": list(files), **more})


def read(folder):
    """The dict that `write` wrote; InputError where it is not there or damaged."""
    path = folder / "manifest.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found | {"origin": found["origin"]}
    except FileNotFoundError:
        raise InputError(f"{path} is not here; run `dvc repro`") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} does not say an origin; remove it and run `dvc repro`") from None


def weights_of(folder):
    """What a net's filters in `folder` are: the sha256 of their file, or `seed N`.

    Raises InputError where the manifest does not tell.
    """
    manifest = read(folder)
    try:
        if manifest["origin"] == "untrained":
            return f"seed {manifest['seed']}"
        return manifest["files"][0]["sha256"]
    except (KeyError, IndexError, TypeError):
        raise InputError(
            f"{folder / 'manifest.json'} names no weights; remove it and run `dvc repro`"
        ) from None


def origin_of(files):
    """`published` if every file is the published one, else `mirror`."""
    return "published" if all(file["origin"] == "published" for file in files) else "mirror"
