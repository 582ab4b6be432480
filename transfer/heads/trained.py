"""A fitted head and its file, `models/head.npz`.

The file holds the kind's arrays (`array/<name>`), the training curves (`curve/<name>`), the class
names (`classes`) and `about`: kind, net, dataset, options, selection and the features' whole recipe
as JSON.
It is written with `np.savez`, whose bytes hold no date, and read without pickle.
"""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from transfer.errors import InputError
from transfer.heads import kinds
from transfer.heads.methods.chunks import chunks
from transfer.writing import replacing

HEAD = Path("models/head.npz")  # of the run in the workspace


@dataclass(frozen=True, eq=False)
class Head:
    """A head and where it comes from.

    arrays: {name: array} of its kind; classes: the C class names; net, dataset: names; recipe:
    all that decides a feature besides the image; curves: {name: float64 [epochs]}; options: the
    kind's own parameters; selection: what was chosen and how, {} where nothing is.
    """

    kind: str
    arrays: dict
    classes: list
    net: str
    dataset: str
    recipe: dict
    curves: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    selection: dict = field(default_factory=dict)

    def probabilities(self, views):
        """float32 [N, C], the mean over `views`, a tuple of [N, D], which may be memory-mapped."""
        p = np.empty((len(views[0]), len(self.classes)), np.float32)  # [N, C]
        done = 0
        for chunk in self.chunks(views):
            p[done : done + len(chunk)] = chunk
            done += len(chunk)
        return p

    def embedded(self, features):
        """float32 [n, d], what the head's last, linear part sees of features [n, D]: the tuned ones
        of a fine-tuned network, of other kinds the features themselves."""
        return kinds.named(self.kind).embedded(self.arrays, features)

    def chunks(self, views):
        """Yields the probabilities of consecutive images, float32 [n, C], n at most ROWS of chunks,
        so that neither the features nor the answers are in memory as a whole.

        views: a tuple of V >= 1 arrays [N, D]; what is given is the mean over them.
        Raises InputError where the features are of another length, or not finite.
        """
        kind = kinds.named(self.kind)
        self._require_rows(views, *kind.sizes(self.arrays))
        for part in chunks(len(views[0])):
            p = kind.probabilities(self.arrays, views[0][part])
            for view in views[1:]:
                p = p + kind.probabilities(self.arrays, view[part])
            p = p if len(views) == 1 else p / np.float32(len(views))
            finite = np.isfinite(p).all(axis=1)
            if not finite.all():
                raise InputError(
                    f"row {part.start + int(finite.argmin())} of the features gives no "
                    "probabilities: it holds values that are not finite or too large for float32"
                )
            yield p

    def _require_rows(self, views, d, _):
        if not isinstance(views, tuple) or not views:
            raise InputError(
                f"views must be a tuple of arrays [N, D]; received a {type(views).__name__}"
            )
        for view in views:
            if view.ndim != 2 or view.shape[1] != d:
                received = "x".join(map(str, view.shape[1:]))
                raise InputError(f"the head takes {d} features an image; received {received}")
            if len(view) != len(views[0]):
                raise InputError(
                    f"one view has {len(views[0])} rows and another {len(view)}; expected as many"
                )

    def save(self, path):
        """Writes the file whole or not at all; equal heads have equal bytes."""
        about = {name: getattr(self, name) for name in ABOUT}
        arrays = {
            "about": np.array(json.dumps(about, sort_keys=True, ensure_ascii=False)),
            "classes": np.array(self.classes, dtype=np.str_),
        }
        arrays |= {f"array/{name}": array for name, array in sorted(self.arrays.items())}
        arrays |= {f"curve/{name}": np.asarray(c, np.float64) for name, c in self.curves.items()}
        with replacing(path, "wb") as file:
            np.savez(file, **arrays)


ABOUT = ("kind", "net", "dataset", "recipe", "options", "selection")


def load(path):
    """The Head in the file; InputError where it can't be read or is not a whole head."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("one array")
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"there is no head at {path}; dvc repro trains one") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path} is not a head: not a whole .npz file of plain arrays") from None
    head = _assembled(arrays, path)
    try:
        _, c = kinds.named(head.kind).sizes(head.arrays)
    except InputError as fault:
        raise InputError(f"{path} is not a whole head: {fault}") from None
    if c != len(head.classes):
        raise InputError(f"{path} names {len(head.classes)} classes, but its arrays tell {c} apart")
    return head


def _assembled(arrays, path):
    missing = [name for name in ("about", "classes") if name not in arrays]
    if missing:
        raise InputError(f"{path} is not a head: it lacks {' and '.join(missing)}")
    try:
        about = json.loads(str(arrays["about"]))
        about = {name: about[name] for name in ABOUT if name != "selection"} | {
            "selection": about.get("selection", {})  # which heads of earlier versions lack
        }
        if not all(isinstance(about[name], str) for name in ("kind", "net", "dataset")):
            raise TypeError("a name that is no text")
        if not isinstance(about["selection"], dict):
            raise TypeError("a selection that is no mapping")
    except (json.JSONDecodeError, KeyError, TypeError) as fault:
        raise InputError(f"{path} is not a head: its description is damaged ({fault})") from None

    def under(prefix):
        return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}

    return Head(
        arrays=under("array/"), curves=under("curve/"), classes=arrays["classes"].tolist(), **about
    )


def weights_origin(recipe):
    """Where the net's weights come from: published, mirror or untrained."""
    try:
        return recipe["source"]["weights"]
    except (KeyError, TypeError):
        raise InputError(
            "the recipe of the features does not say where weights come from"
        ) from None


def is_untrained(recipe):
    """Whether a pack's or head's `recipe` says so; a foreign pack has none, or anything."""
    try:
        return weights_origin(recipe) == "untrained"
    except InputError:
        return False


def title(head):
    """One line to stand in printed summaries: kind, net, dataset, and `untrained` where so."""
    text = f"{head.kind} head on {head.net} features of {head.dataset}"
    return text + (", untrained" if weights_origin(head.recipe) == "untrained" else "")


def require_same_source(one, one_path, other, other_path):
    """InputError unless both (each a Head or a Pack) have the same recipe and classes."""
    for what, path in ((one, one_path), (other, other_path)):
        if not what.recipe or not what.classes:
            raise InputError(f"{path} has no recipe or no class names; dvc repro writes such packs")
    # Compared as JSON, which is what a head keeps of a recipe: a tuple there is a list.
    first, second = (
        {k: json.dumps(v, sort_keys=True) for k, v in r.items()} for r in (one.recipe, other.recipe)
    )
    differ = sorted(k for k in first | second if first.get(k) != second.get(k))
    if differ:
        raise InputError(
            f"{other_path} was made by another recipe than {one_path}: they differ in "
            f"{', '.join(differ)}; dvc repro brings them together"
        )
    if list(one.classes) != list(other.classes):
        both = zip(one.classes, other.classes, strict=False)
        a, b = next(((a, b) for a, b in both if a != b), (len(one.classes), len(other.classes)))
        raise InputError(f"{other_path} has other classes than {one_path}: {b} instead of {a}")
