"""What `extract.layers`, `size`, `views`, `cut` and `engine` come to for one net, one dataset and
this machine."""

from dataclasses import dataclass, field, replace

from transfer.datasets import sources
from transfer.errors import InputError, unknown
from transfer.features import gpus, rules
from transfer.features.kernels import KERNELS
from transfer.nets import cards
from transfer.nets.layers import WHOLE, chosen_layers

ENGINES = ("openvino", "keras")


@dataclass(frozen=True)
class Choice:
    """layers: tuple of (name, cells), joined in this order; size: pixels; views: names; precision:
    what is asked of the device, bf16, f32 or int8; engine: its name, never auto; picked: the same
    for people, with why `auto` came to it; flip: whether augmented views, where there are any, may
    be mirrored."""

    layers: tuple
    size: int
    views: tuple
    precision: str
    engine: str
    picked: str = field(default="", compare=False)
    flip: bool = False

    @property
    def dtype(self):
        """Of the numbers of what it gives: float16 of activations at a cut."""
        return "float16" if any(cells == WHOLE for _, cells in self.layers) else "float32"


def choose(card, source, given):
    """The Choice for `card` and the dataset of `source`, a sources.Source; `given` are the params
    `extract.*` by dotted key.

    auto: what the source recommends for this net, else for `any`, else the card's own and the plain
    view; with `extract.cut` what it recommends there under `tuned`, before the rest.
    Raises InputError for a layer, view, kernel or engine that is not there, for a layer or a
    view that stands twice, and for the flipped view where mirroring does not keep the label.
    """
    if card.resize not in KERNELS:
        raise unknown(f"resize kernel in the card of {card.name}", card.resize, KERNELS)
    advice = _advice(card, source, given)

    def settled(key, otherwise, read):
        asked = given[f"extract.{key}"]
        if asked != "auto" or key not in advice:
            return read(otherwise if asked == "auto" else asked)
        try:
            return read(advice[key][1])
        except InputError as fault:
            raise InputError(
                f"{fault} ({advice[key][0]} in {_file(source)} asks for it: correct it there, "
                f"or choose extract.{key})"
            ) from None

    engine, picked = _engine(given["extract.engine"], given["extract.precision"])
    return Choice(
        layers=settled("layers", "card", lambda layers: _layers(card, layers)),
        size=settled("size", "card", lambda size: card.size if size == "card" else size),
        views=settled("views", ["plain"], lambda views: _views(source, views)),
        precision=given["extract.precision"],
        engine=engine,
        picked=picked,
    )


def choose_cut(card, source, given, choice):
    """The Choice of the activations at `extract.cut` that go with `choice`, or None where that is
    empty: of its views, and of `extract.augmented` augmented ones of each of them, flipped aside
    (an augmented one of plain may be mirrored too); of none where they are drawn afresh.

    auto: the cut that the source recommends for this net, else the first that the card lists.
    Raises InputError for a cut that the card does not list.
    """
    cut = given["extract.cut"]
    if cut is None:
        return None
    if not card.cuts:
        having = [name for name in cards.known() if cards.load(cards.CARDS / f"{name}.yaml").cuts]
        raise InputError(
            f"{card.name} can't be fine-tuned: its card lists no cut; these do: {', '.join(having)}"
        )
    if cut == "auto":
        _, cut = _advice(card, source, given).get("cut", ("", next(iter(card.cuts))))
    if cut not in card.cuts:
        raise unknown(f"cut of {card.name}", cut, card.cuts)
    count = given["extract.augmented"]
    numbers = range(1, 1 + (0 if count == rules.FRESH else count))
    augmented = [
        rules.augmented(view, number) for view in to_augment(choice.views) for number in numbers
    ]
    return replace(
        choice, layers=((cut, WHOLE),), views=(*choice.views, *augmented), flip=source.flip
    )


def to_augment(views):
    """Those of `views`, names, of which there are augmented ones."""
    return [view for view in views if view != "flipped"]


def _advice(card, source, given):
    """{key: (its place in the source file, value)} of what `source` recommends for the net."""
    net = card.name if source.recommend.get(card.name) else "any"
    found = dict(source.recommend.get(net) or {})
    tuned = found.pop("tuned", {}) if given["extract.cut"] is not None else {}
    advice = {key: (f"recommend.{net}.{key}", value) for key, value in found.items()}
    return advice | {key: (f"recommend.{net}.tuned.{key}", v) for key, v in tuned.items()}


def _layers(card, asked):
    layers = chosen_layers(card, asked)
    for number, (name, cells) in enumerate(layers):
        if (name, cells) in layers[:number]:
            parts = f" in {cells}x{cells} cells" if cells > 1 else ""
            raise InputError(
                f"extract.layers names {name}{parts} twice, which says nothing new; once is enough"
            )
    return layers


def _views(source, asked):
    if not asked:
        raise InputError("extract.views must name at least one view, as [plain]")
    for number, view in enumerate(asked):
        if view not in rules.NAMES:
            raise unknown("view", view, rules.NAMES)
        if view in asked[:number]:
            raise InputError(
                f"extract.views names {view} twice, which says nothing new; once is enough"
            )
    if "flipped" in asked and not source.flip:
        raise InputError(
            f"extract.views names flipped, and {_file(source)} does not say that mirroring keeps "
            f"the label; set flip: true there if it does, or leave flipped out"
        )
    return tuple(asked)


def _file(source):
    return sources.FOLDER / source.name / sources.NAME


def _engine(asked, precision):
    """(name, sentence) of the engine that `asked`, a name or auto, means for `precision` on this
    machine."""
    if asked != "auto":
        if asked not in ENGINES:
            raise unknown("engine", asked, (*ENGINES, "auto"))
        if (asked, precision) == ("keras", "int8"):
            raise InputError(
                "extract.engine: keras can't run the int8 network, which is OpenVINO's alone; "
                "choose extract.engine: openvino, or extract.precision: bf16"
            )
        return asked, asked
    lacks = "keras has no int8" if precision == "int8" else gpus.lacking()
    name = "openvino" if lacks else "keras"
    return name, f"{name} (auto: {lacks or 'TensorFlow can use the GPU here'})"
