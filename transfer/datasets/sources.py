"""What a dataset folder says about its dataset: `source.yaml`, or the user's own class folders.

    title: CIFAR-10                  # every key may be left out
    licence: ...
    homepage: https://...
    layout: cifar10                  # a name in readers.LAYOUTS; class_folders if left out
    classes: [cat, dog]              # names of the numbers 0, 1, ..., for the layouts of NUMBERED
    files: [{name: a.tar.gz, url: https://... or [...], sha256: ..., md5: ..., size: 1}]
    render: {...}                    # instead of files: what sample.render is given
    split: {validation: 0.2, test: 0.2}
    flip: true                       # mirroring keeps the label
    recommend: {any or <net>: {layers: [...] or multi, size: 96, views: [plain],
        tuned: {cut: NAME, and the same, for runs with a cut}}}

Where neither `files` nor `render` stands, the folder's own images are the dataset; the folder may
be a link to where they lie.
"""

from dataclasses import dataclass, field
from pathlib import Path

from transfer import trees
from transfer.datasets import copies
from transfer.downloads.files import File, described
from transfer.errors import InputError, unknown

FOLDER = Path("data/datasets")
NAME = "source.yaml"
NEAR = "_near"  # what dvc.yaml adds to a dataset's name for its near-duplicates
RENDERED = "sample.zip"  # the one archive that a rendered dataset has in its raw folder
_ADVICE = ("layers", "size", "views")
KEYS = tuple("title licence homepage layout classes files render split flip recommend".split())
NUMBERED = ("gtsrb", "pickled")  # layouts whose files know classes by numbers alone
FRACTION = 0.2  # of a class, for each part that the dataset neither has nor gives a fraction for


@dataclass(frozen=True)
class Source:
    """A dataset; `kind` is "archives", "render" or "own", `split` the fractions by part."""

    name: str
    kind: str
    title: str = ""
    licence: str = ""
    homepage: str = ""
    layout: str = "class_folders"
    classes: tuple[str, ...] = ()  # names of the classes 0, 1, ...
    files: tuple[File, ...] = ()
    render: dict = field(default_factory=dict)
    split: dict = field(default_factory=dict)
    flip: bool = False
    recommend: dict = field(default_factory=dict)

    @property
    def archives(self):
        """Names of the archives in the raw folder, in the order they are read in."""
        return (RENDERED,) if self.kind == "render" else tuple(file.name for file in self.files)

    def label(self, number, where):
        """The name of the class `number`; raises InputError, from `where` on, for one without."""
        if not 0 <= number < len(self.classes):
            raise InputError(
                f"{where}: the class {number} has no name; expected 0 to {len(self.classes) - 1}, "
                f"the {len(self.classes)} names that `classes` in {self.name}/{NAME} lists"
            )
        return self.classes[number]


def known(root=FOLDER):
    """Names of the dataset folders under `root`, sorted."""
    root = Path(root)
    if not root.is_dir():
        return []
    return sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))


def load(folder):
    """The Source that the dataset folder `folder` describes.

    Raises InputError where there is no such folder, or its source.yaml has a fault.
    """
    folder = Path(folder)
    copies.check(folder)
    if not folder.is_dir():
        raise unknown("dataset", folder.name, known(folder.parent))
    tree = trees.read(folder / NAME)
    tree.expect_keys(*KEYS)
    files = tuple(
        described(tree.below("files", i)) for i, _ in enumerate(tree.get("files", list, []))
    )
    layout = tree.get("layout", str, "")
    kind = "archives" if files else "render" if "render" in tree.value else "own"
    if files and "render" in tree.value:
        raise tree.fault("has both files and render; leave one", "render")
    if kind == "archives" and not layout:
        raise tree.fault("has files but no layout; name how they are laid out", "files")
    if kind != "archives" and layout not in ("", "class_folders"):
        raise tree.fault(f"has layout {layout} but no files to read by it", "layout")
    return Source(
        name=folder.absolute().name,
        kind=kind,
        title=tree.get("title", str, folder.absolute().name),
        licence=tree.get("licence", str, ""),
        homepage=tree.get("homepage", str, ""),
        layout=layout or "class_folders",
        classes=_classes(tree, layout),
        files=files,
        render=tree.get("render", dict, {}),
        split=_fractions(tree.below("split")),
        flip=tree.get("flip", bool, False),
        recommend=_recommend(tree.below("recommend")),
    )


def require_known(source, nets):
    """Raises InputError where the Source has a name that its index can't have, and where its
    `recommend` names a net that is not in `nets`: advice that would be passed over in silence."""
    if source.name.endswith(NEAR):
        raise InputError(
            f"the dataset {source.name} needs another name, not one that ends with {NEAR}: "
            f"data/index/{source.name}.csv would list the near-duplicates of a dataset "
            f"{source.name.removesuffix(NEAR)}"
        )
    for name in source.recommend:
        if name not in ("any", *nets):
            raise unknown(f"net in recommend of {source.name}", name, nets)


def _classes(tree, layout):
    names = tree.get("classes", list, [])
    if layout in NUMBERED and not names:
        raise tree.fault(f"is {layout}, which knows numbers alone; add `classes`", "layout")
    if names and layout not in NUMBERED:
        raise tree.fault(
            f"is for the layouts {' and '.join(NUMBERED)} alone; received layout "
            f"{layout or 'class_folders'}, whose files name their classes; remove it",
            "classes",
        )
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise tree.fault(
                f"needs a name, printable and not empty; received {name!r}", "classes", i
            )
        if name in names[:i]:
            raise tree.fault(f"{name!r} stands twice; each class needs its own", "classes", i)
    return tuple(names)


def _fractions(tree):
    tree.expect_keys("validation", "test")
    fractions = {part: tree.get(part, (int, float), FRACTION) for part in ("validation", "test")}
    for part, fraction in fractions.items():
        if isinstance(fraction, bool) or not 0 <= fraction < 1:
            raise tree.fault(f"needs a fraction from 0 to below 1; received {fraction!r}", part)
    if sum(fractions.values()) >= 1:
        raise tree.fault(f"leaves nothing to train on: {fractions}")
    return fractions


def _recommend(tree):
    for net in tree.value:
        below = tree.below(net)
        below.expect_keys(*_ADVICE, "tuned")
        _require_advice(below)
        tuned = below.below("tuned")
        tuned.expect_keys(*_ADVICE, "cut")
        _require_advice(tuned)
        tuned.get("cut", str, "")
    return tree.value


def _require_advice(tree):
    for key, words in (("layers", ("card", "multi")), ("views", ())):
        if tree.value.get(key) in words:
            continue
        if not all(isinstance(name, str) for name in tree.get(key, list, [])):
            raise tree.fault("needs a list of names", key)
    size = tree.get("size", int, 1)
    if isinstance(size, bool) or size < 1:
        raise tree.fault("needs a number of pixels", "size")
