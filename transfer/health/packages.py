"""The packages that this Python has, against requirements.txt."""

from transfer import requirements
from transfer.health.findings import off, some, well

PLACE = "requirements.txt"
SHOWN = 3  # packages named; the others are counted


def check(path=PLACE):
    """The Finding about the packages that `path` pins."""
    pinned = requirements.pinned(path)
    here = {name: requirements.installed(name) for name in pinned}
    other = [
        f"{name} {here[name]}, not {version}" if here[name] else f"{name} {version} is missing"
        for name, version in pinned.items()
        if here[name] != version
    ]
    if not other:
        return well("packages", f"all {len(pinned)} as {path} has them")
    return off(
        "packages",
        f"{len(other)} of {len(pinned)} are not as in {path}: {some(other, SHOWN, '; ')}",
        "`make setup` builds .venv anew",
    )
