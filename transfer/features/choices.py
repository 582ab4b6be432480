"""What `extract.layers`, `size`, `views`, `cut` and `engine` come to for one net, one dataset and
this machine."""

from dataclasses import dataclass, field

from transfer.errors import InputError, unknown
from transfer.features import gpus
from transfer.features.kernels import KERNELS
from transfer.nets.layers import chosen_layers

VIEWS = ("plain",)
ENGINES = ("openvino", "keras")


@dataclass(frozen=True)
class Choice:
    """layers: tuple of (name, cells), joined in this order; size: pixels; views: names; precision:
    what is asked of the device, bf16, f32 or int8; engine: its name, never auto; picked: the same
    for people, with why `auto` came to it."""

    layers: tuple
    size: int
    views: tuple
    precision: str
    engine: str
    picked: str = field(default="", compare=False)


def choose(card, recommend, given):
    """The Choice for `card`: `given` are the params `extract.*` by dotted key, `recommend` what the
    dataset's source file says.

    auto: what it recommends for this net, else for `any`, else the card's own and the plain view.
    Raises InputError for a layer, view, kernel, cut or engine that is not there.
    """
    layers, size, views, cut = (given[f"extract.{k}"] for k in ("layers", "size", "views", "cut"))
    if cut is not None:
        raise InputError(
            f"extract.cut: activations at a cut ({cut}) can't be extracted yet; leave it empty"
        )
    if card.resize not in KERNELS:
        raise unknown(f"resize kernel in the card of {card.name}", card.resize, KERNELS)
    advice = recommend.get(card.name) or recommend.get("any") or {}
    layers = advice.get("layers", "card") if layers == "auto" else layers
    size = advice.get("size", "card") if size == "auto" else size
    views = advice.get("views", ["plain"]) if views == "auto" else views
    if not views:
        raise InputError("extract.views must name at least one view, as [plain]")
    for view in views:
        if view not in VIEWS:
            raise unknown("view", view, VIEWS)
    engine, picked = _engine(given["extract.engine"], given["extract.precision"])
    return Choice(
        layers=chosen_layers(card, layers),
        size=card.size if size == "card" else size,
        views=tuple(views),
        precision=given["extract.precision"],
        engine=engine,
        picked=picked,
    )


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
