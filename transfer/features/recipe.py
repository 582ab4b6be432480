"""The recipe: everything that decides a feature besides the image, as a plain dict."""

from transfer.datasets.reading import decoder
from transfer.features.engine import BATCH


def recipe(card, about, engine, choice):
    """The recipe of features by `engine` (its name, version and the precision that it really
    runs) over the backbone that `about` describes, with the layers, size and views of `choice`."""
    return {
        "net": card.name,
        "weights": about["weights"],
        "graph": about["graph"],
        "layers": [name if cells == 1 else f"{name}:{cells}" for name, cells in choice.layers],
        "size": choice.size,
        "resize": card.resize,
        "pixels": {
            "order": card.pixels.order,
            "mean": list(card.pixels.mean),
            "divisor": card.pixels.divisor,
        },
        "views": list(choice.views),
        "engine": engine.name,
        "batch": BATCH,
        "precision": engine.precision,
        "versions": {engine.name: engine.version, "decoder": decoder.VERSION},
    }
