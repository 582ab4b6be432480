"""The engine that a choice names, opened for a net."""

from transfer.features import gpus
from transfer.features.engine import BATCH, Engine
from transfer.nets import graphs


def opened(choice, card, backbone, weights, batch=BATCH):
    """The BaseEngine of `choice`, a choices.Choice, for the net of `card`.

    backbone: the folder of the converted network; weights: the folder of its weights, which Keras
    alone reads; batch: the images that the engine takes at a time.

    Raises InputError for a layer or size that the net can't give, whatever the engine, and for
    weights that are not those of the backbone.
    """
    graph = graphs.open_pooled(backbone, choice.layers, choice.size, batch, choice.precision)
    if choice.engine == "openvino":
        return Engine(graph, choice.precision)
    gpus.allow()
    from transfer.features import keras_engine  # noqa: PLC0415  # imports TensorFlow

    keras_engine.require_weights(weights, graphs.read_about(backbone))
    return keras_engine.KerasEngine(
        card, weights, choice.layers, choice.size, batch, choice.precision
    )
