"""What the project's table of results is made of: its nets, datasets, settings and splits.

Every setting but `mirror` and `strict` is named here, so that the table does not depend on what
params.yaml holds.
"""

from dataclasses import dataclass

NETS = ("squeezenet", "googlenet", "resnet", "inception_mixed8")
DATASETS = ("cifar10", "flowers", "traffic")
SEEDS = (0, 1, 2)

COMMON = {
    "weights": "pretrained",
    "split.per_class": 100,
    "extract.cut": None,
    "extract.augmented": 0,
    "extract.precision": "bf16",
    "extract.engine": "openvino",
    "head.seed": 0,
    "head.epochs": 50,
    "head.batch_size": 256,
    "head.initializer": "glorot_uniform",
    "head.hidden": 256,
    "head.transform": "auto",
    "head.strength": "auto",
    "head.neighbours": "auto",
    "head.folds": 5,
    "head.class_weights": "none",
    "head.upto": "auto",
    "head.rate": "auto",
}
_CARD = {"extract.layers": "card", "extract.size": "card", "extract.views": ["plain"]}
_AUTO = {"extract.layers": "auto", "extract.size": "auto", "extract.views": "auto"}
# The row's name: what it sets, and what is said of it.
ROWS = {
    "course": (
        _CARD | {"head.kind": "softmax"},
        "one softmax layer, 50 epochs of Adam, on the card's layer: the course's way",
    ),
    "card": (_CARD | {"head.kind": "auto"}, "the default head on the card's layer"),
    "auto": (
        _AUTO | {"head.kind": "auto"},
        "the default head on the layers, size and views that the dataset recommends for the net",
    ),
}


@dataclass(frozen=True)
class Split:
    """How a dataset is divided for one column: by group or image, and fractions; title: its
    column's; has_test: whether the test part has a column too."""

    title: str
    by: str = "group"
    validation: float | None = None
    test: float | None = None
    has_test: bool = False

    @property
    def settings(self):
        """{dotted key of params.yaml: value}."""
        return {
            "split.by": self.by,
            "split.validation": self.validation,
            "split.test": self.test,
        }


# As the loop of README's results.  Any other dataset: by group, with its own fractions.
SPLITS = {
    "cifar10": (Split("cifar10", "group", 0.5),),
    "flowers": (Split("flowers", "group", 0.3334, 0),),
    "traffic": (
        Split("traffic by image", "image", 0.33),
        Split("traffic by group", "group", 0.2, has_test=True),
    ),
}
# The course's figures of its bottleneck lab, validation accuracy after 50 epochs, of InceptionV3 at
# its last layer.
PUBLISHED = {
    "cifar10": {"vgg": 0.7235, "inception": 0.6556, "inception_mixed8": 0.6556, "resnet": 0.7347},
    "traffic by image": {
        "vgg": 0.8666, "inception": 0.7519, "inception_mixed8": 0.7519, "resnet": 0.8108,
    },
}  # fmt: skip


def splits(dataset):
    """The Splits of a dataset; one that is not in SPLITS is divided by group."""
    return SPLITS.get(dataset) or (Split(dataset),)


@dataclass(frozen=True)
class Run:
    """A run of the table: a net in the row named `row`, on a dataset divided by `split`, of a split
    seed."""

    net: str
    row: str
    dataset: str
    split: Split
    seed: int

    def __str__(self):
        return f"{self.net}, {self.row}, on {self.split.title}, seed {self.seed}"

    @property
    def settings(self):
        """{dotted key of params.yaml: value}."""
        return {
            **COMMON,
            **ROWS[self.row][0],
            "net": self.net,
            "dataset": self.dataset,
            **self.split.settings,
            "split.seed": self.seed,
        }
