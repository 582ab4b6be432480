"""All checks of this workspace and machine, and what they found as one screen of text or JSON."""

import json
import textwrap

from transfer.health.findings import Finding, guarded, off

# Each check imports what it needs by itself: a package may be missing.
# ruff: noqa: PLC0415

WIDTH = 100  # columns


def examine(deep=False):
    """The Findings of all checks, in the order in which they are to be mended; in a folder that is
    not the repository, of those alone that do not ask for it.

    deep: the mirror's files of this run are hashed, and the store is read through: minutes where
    they are large.  Nothing is written but a small file and a link to it, which are gone
    afterwards, and the network is not asked.
    """
    place = guarded("place", _place)
    if not place.ok:  # or nearly each check would say so
        return [guarded("python", _python), place, guarded("store", _store, deep)]
    found = [guarded("python", _python), guarded("packages", _packages)]
    run = []

    def describe():
        from transfer.health import run as described

        run.append(described.described())
        return described.check(run[0])

    found.append(guarded("params", describe))
    for name, check in OF_RUN.items():
        if run:
            found.append(guarded(name, check, run[0], deep))
        else:
            found.append(off(name, "can't be told", "mend params first"))
    return found + [guarded(name, check, deep) for name, check in OF_PLACE.items()]


def text(found):
    """The Findings as lines of at most WIDTH columns; those that are off with their remedy."""
    return "\n".join(line for one in found for line in _lines(one)) + "\n" + _summary(found)


def as_json(found):
    """The Findings as one JSON object."""
    told = [{"name": f.name, "ok": f.ok, "sentence": f.sentence, "remedy": f.remedy} for f in found]
    return json.dumps({"ok": all(f.ok for f in found), "findings": told}, indent=2)


def _lines(finding: Finding):
    mark = "ok " if finding.ok else "OFF"
    said = finding.sentence + (f" -> {finding.remedy}" if finding.remedy else "")
    return textwrap.wrap(
        said, WIDTH, initial_indent=f"{mark}  {finding.name:<8}  ", subsequent_indent=" " * 15,
        break_on_hyphens=False,
    )  # fmt: skip


def _summary(found):
    wrong = [finding.name for finding in found if not finding.ok]
    return f"{len(wrong)} of {len(found)} off: {', '.join(wrong)}" if wrong else "all is well"


def _python():
    from transfer.health import interpreter

    return interpreter.check()


def _place():
    from transfer.health import place

    return place.check()


def _packages():
    from transfer.health import packages

    return packages.check()


def _cpu(run, deep):
    from transfer.health import processor

    return processor.check(run)


def _gpu(run, deep):
    from transfer.health import processor

    return processor.gpu(run)


def _mirror(run, deep):
    from transfer.health import mirror

    return mirror.check(run, deep)


def _space(run, deep):
    from transfer.health import space

    return space.check(run)


def _images(run, deep):
    from transfer.health import images

    return images.check(run)


def _dvc(deep):
    from transfer.health import caching

    return caching.check()


def _locks(deep):
    from transfer.health import locks

    return locks.check()


def _git(deep):
    from transfer.health import revision

    return revision.check()


def _store(deep):
    from transfer.health import store

    return store.check(deep)


OF_RUN = {"cpu": _cpu, "gpu": _gpu, "mirror": _mirror, "space": _space, "images": _images}
OF_PLACE = {"dvc": _dvc, "locks": _locks, "store": _store, "git": _git}
