"""The recipe: everything that decides a feature besides the image, as a plain dict."""

from transfer.datasets.reading import decoder
from transfer.features import rules
from transfer.nets import graphs
from transfer.nets.layers import WHOLE


def recipe(card, about, engine, choice):
    """The recipe of features by `engine`, a BaseEngine (its versions, and the batch and precision
    that it really runs), over the backbone that `about` describes, with the layers, size
    and views of `choice`.

    `graph` names the network on every engine: Keras fills it from the weights it was converted of.
    For int8 it is the quantised one, so what that was calibrated on decides too.

    Names (of net, dataset, file) and where weights came from decide nothing and are not in it.
    `rules` is there where a view of `choice` has any: rules.of; `dtype` for activations at a cut,
    the one layer that `layers` then names.
    """
    constants = rules.of(choice.views, choice.flip)
    return (
        {
            "weights": graphs.weights_of(about),
            "graph": graphs.graph_of(about, choice.precision),
            "layers": [
                name if cells in (1, WHOLE) else f"{name}:{cells}" for name, cells in choice.layers
            ],
            "size": choice.size,
            "resize": card.resize,
            "crop": card.crop,
            "pixels": {
                "order": card.pixels.order,
                "mean": list(card.pixels.mean),
                "divisor": card.pixels.divisor,
            },
            "views": list(choice.views),
            "engine": choice.engine,
            "batch": engine.batch,
            "precision": engine.precision,
            "versions": engine.versions | {"decoder": decoder.VERSION},
        }
        | ({"rules": constants} if constants else {})
        | ({"dtype": choice.dtype} if choice.dtype != "float32" else {})
    )
