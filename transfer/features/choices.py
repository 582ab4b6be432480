"""What `extract.layers`, `size`, `views` and `cut` come to for one net and one dataset."""

from dataclasses import dataclass

from transfer.errors import InputError, unknown
from transfer.nets import cards

VIEWS = ("plain",)


@dataclass(frozen=True)
class Choice:
    """layers: tuple of (name, cells), joined in this order; size: pixels; views: names."""

    layers: tuple
    size: int
    views: tuple


def choose(card, recommend, *, layers, size, views, cut):
    """The Choice for `card`, where `recommend` is what the dataset's source file says.

    auto: what it recommends for this net, else for `any`, else the card's own and the plain view.
    Raises InputError for a layer, view or cut that is not there.
    """
    if cut is not None and cut not in card.cuts:
        raise InputError(
            f"extract.cut: {card.name} can't be cut at {cut!r}; "
            f"its card lists the cuts: {', '.join(card.cuts) or 'none'}"
        )
    advice = recommend.get(card.name) or recommend.get("any") or {}
    layers = advice.get("layers", "card") if layers == "auto" else layers
    size = advice.get("size", "card") if size == "auto" else size
    views = advice.get("views", ["plain"]) if views == "auto" else views
    for view in views:
        if view not in VIEWS:
            raise unknown("view", view, VIEWS)
    size = card.size if size == "card" else size
    return Choice(cards.chosen_layers(card, layers), size, tuple(views))
