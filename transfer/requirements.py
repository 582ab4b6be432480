"""requirements.txt: the one version of each package that this project runs with.

The file is compiled (`make lock`) for every Python and system at once: a line may hold for some of
them alone, by the marker behind its semicolon.
"""

from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from transfer import trees
from transfer.errors import InputError


def pinned(path):
    """{name: version} of the packages that `path` pins for this Python and system, by name.

    Raises InputError where the file can't be read or a line is no requirement.
    """
    try:
        # A pipe would be waited for without end.
        text = None if trees.is_special(Path(path)) else Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as fault:
        raise InputError(f"{path} can't be read ({_why(fault)}); run in the repository") from None
    if text is None:
        raise InputError(
            f"{path} is a pipe, a socket or a device; expected a file: remove it, then "
            f"`git checkout {path}`"
        )
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        words = line.partition("#")[0].partition("--hash")[0].strip()
        if not words or words.startswith("-"):
            continue
        try:
            asked = Requirement(words)
        except InvalidRequirement:
            raise InputError(
                f"{path}: {words!r} is no requirement such as numpy==2.4.6; `git checkout {path}` "
                f"takes it back, `make lock` compiles it"
            ) from None
        exact = [one.version for one in asked.specifier if one.operator == "=="]
        if exact and (asked.marker is None or asked.marker.evaluate()):
            found[canonicalize_name(asked.name)] = exact[0]
    return dict(sorted(found.items()))


def installed(name):
    """The version of the package `name` that this Python would import, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _why(fault):
    return getattr(fault, "strerror", None) or "it is not UTF-8"
