"""The tail of a network, from a cut up to a layer, in Keras, its batch norms folded.

Imports TensorFlow: whoever can do without it imports this late.
"""

import json

import numpy as np

from transfer.errors import InputError, unknown
from transfer.nets import conversion, graphs, networks
from transfer.nets.networks import keras

layers = keras.layers

ZEROS = "zeros"  # stands for the constant that a weight of zeros needs not


def build(card, weights, cut, upto, shape):
    """keras.Model from float32 [N, h, w, c], `shape` (h, w, c), the activations at the layer `cut`
    of the network of `card`, to the means over the area [N, 1, 1, D] of those of the layer `upto`
    and of the layers on the way there, the cut among them, that the card joins as `multi`: several
    depths tell more than the last.  All its weights can be trained.

    weights: the folder of its weights.  What it gives is what the network gives there, with the
    statistics of its batch norms as they are: each is folded into the convolution before it, or
    stays as a scale and a shift.
    Raises InputError where `upto` is no layer after `cut`, or the network can't be divided there.
    """
    network, _ = conversion.filled(card, weights)
    divided = _divided(network, card, cut, upto)
    passed = {layer.name: layer.name for layer in divided.layers} | {cut: None}
    joined = [passed[name] for name in card.multi if name in passed and name != upto]
    return _pooled(_folded(divided, shape), [*joined, upto])


def require(card, cut, upto):
    """Raises InputError where the network of `card` has nothing to train from `cut` up to `upto`,
    without its weights."""
    _divided(networks.build(card), card, cut, upto)


def _divided(network, card, cut, upto):
    """The part of a Keras network of `card` behind `cut` up to `upto`."""
    names = [layer.name for layer in network.layers]
    if upto not in names:
        raise unknown(f"layer of {card.name}", upto, names)
    nothing = InputError(f"between {cut} and {upto} of {card.name} there is nothing to train")
    if upto == cut:
        raise nothing
    try:
        divided = keras.Model(network.get_layer(cut).output, network.get_layer(upto).output)
    except ValueError:
        raise InputError(
            f"{card.name} can't be divided at {cut} and trained up to {upto}: some way from its "
            f"image to {upto} does not lead through {cut}; choose another head.upto or extract.cut"
        ) from None
    if not divided.weights:
        raise nothing
    return divided


def _pooled(model, names):
    """The same with the means over the area of its layers `names`, joined, as its one output; None
    is its input."""
    found = [model.get_layer(name).output if name else model.input for name in names]
    means = [
        layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"mean_{number}")(maps)
        for number, maps in enumerate(found)
    ]
    if len(means) > 1:
        means = [layers.Concatenate(dtype="float32", name="means")(means)]
    return keras.Model(model.input, means[0])


def in_float32(model):
    """A copy of a tail that computes in float32 from end to end, with the same weights."""

    def copy(layer):
        return type(layer).from_config(layer.get_config() | {"dtype": "float32"})

    made = keras.models.clone_model(model, clone_function=copy)
    made.set_weights(model.get_weights())
    return made


def plain(model):
    """A copy of a tail in float32 of Keras' own layers alone, with the same weights."""

    def copy(layer):
        settings = layer.get_config() | {"dtype": "float32"}
        if isinstance(layer, Affine):
            return layers.BatchNormalization(epsilon=0, name=layer.name, dtype="float32")
        if isinstance(layer, Passing):
            return layers.Activation("linear", name=layer.name, dtype="float32")
        return type(layer).from_config(settings)

    made = keras.models.clone_model(model, clone_function=copy, call_function=_called)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, Affine):  # x scale + shift, as a norm of mean 0 and variance 1
            values += [np.zeros_like(values[0]), np.ones_like(values[0])]
        if values:
            made.get_layer(layer.name).set_weights(values)
    return made


def _called(layer, *args, **_):
    return layer(*args)


def converted(model):
    """The openvino.Model of a tail that computes in float32.  Its rt_info tells of each weight,
    `<layer>/<number>`, the name of the constant that holds it, so that `take` finds it again."""
    graph = graphs.converted(model)
    constants = [op for op in graph.get_ordered_ops() if op.get_type_name() == "Constant"]
    held = {}
    for number, op in enumerate(constants):
        op.set_friendly_name(f"constant_{number}")
        held.setdefault(op.get_data().tobytes(), op.get_friendly_name())
    places = {}
    for layer in model.layers:
        for number, value in enumerate(layer.get_weights()):
            # The converter leaves out what adds nothing, and may make something else of others.
            name = held.get(_stored(layer, value).tobytes(), None if value.any() else ZEROS)
            if name is not None:
                places[f"{layer.name}/{number}"] = name
    graph.set_rt_info(json.dumps(places, sort_keys=True), [graphs.WEIGHTS])
    return graph


def take(model, graph):
    """Fills a tail with the weights in `graph`, one that `converted` made of another like it.

    Raises InputError where one is not there.
    """
    places = json.loads(graph.get_rt_info([graphs.WEIGHTS]).astype(str))
    constants = {
        op.get_friendly_name(): op.get_data()
        for op in graph.get_ordered_ops()
        if op.get_type_name() == "Constant"
    }
    for layer in model.layers:
        values = []
        for number, value in enumerate(layer.get_weights()):
            place = places.get(f"{layer.name}/{number}")
            stored = _stored(layer, value)
            found = np.zeros_like(stored) if place == ZEROS else constants.get(place)
            if found is None or found.size != stored.size:
                raise InputError(
                    f"the tuned network does not keep the weights of its layer {layer.name} apart; "
                    f"export it to onnx or openvino"
                )
            values.append(_loaded(layer, found.reshape(stored.shape), value.ndim))
        if values:
            layer.set_weights(values)


def _stored(layer, value):
    """A weight as OpenVINO lays it out: kernels [h, w, in, out] as [out, in, h, w], depthwise ones
    [h, w, c, m] as [c, m, h, w]."""
    if value.ndim != 4:
        return value
    return value.transpose(2, 3, 0, 1) if _is_depthwise(layer) else value.transpose(3, 2, 0, 1)


def _loaded(layer, stored, ndim):
    """The inverse of `_stored`."""
    if ndim != 4:
        return stored
    return stored.transpose(2, 3, 0, 1) if _is_depthwise(layer) else stored.transpose(2, 3, 1, 0)


def _is_depthwise(layer):
    return isinstance(layer, layers.DepthwiseConv2D)


def _folded(model, shape):
    """A copy of `model` without batch norms, for inputs of `shape`."""
    folded = _norms_after_convolutions(model)

    def copy(layer):
        settings = layer.get_config()
        if layer.name in folded:  # the convolution takes it in
            return Passing(name=layer.name)
        if isinstance(layer, layers.BatchNormalization):
            return Affine(name=layer.name)
        if layer.name in folded.values():
            settings |= {"use_bias": True, "bias_initializer": "zeros"}
        settings["dtype"] = keras.config.dtype_policy().name
        return type(layer).from_config(settings)

    image = keras.Input(shape, name="activations")
    made = keras.models.clone_model(model, input_tensors=image, clone_function=copy)
    by_convolution = {conv: norm for norm, conv in folded.items()}
    for layer in model.layers:
        if not layer.weights or layer.name in folded:
            continue
        values = layer.get_weights()
        if layer.name in by_convolution:
            scale, shift = _scale_and_shift(model.get_layer(by_convolution[layer.name]))
            bias = values[1] if layer.use_bias else 0
            # The outputs of a depthwise kernel [h, w, c, m] are c m, those of a channel together.
            shape = values[0].shape[2 if _is_depthwise(layer) else 3 :]
            values = [values[0] * scale.reshape(shape), bias * scale + shift]
        elif isinstance(layer, layers.BatchNormalization):
            values = _scale_and_shift(layer)
        made.get_layer(layer.name).set_weights(values)
    made.trainable = True
    return made


class Passing(layers.Layer):
    """What stands where a batch norm was, and is called as it was: x to x."""

    def call(self, x, training=None, mask=None):
        return x


class Affine(layers.Layer):
    """The same that scales and shifts: x [..., c] to x scale + shift."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")
        self.shift = self.add_weight(shape=shape[-1:], initializer="zeros", name="shift")

    def call(self, x, training=None, mask=None):
        return x * self.scale + self.shift


def _norms_after_convolutions(model):
    """{name of a batch norm: name of the convolution whose only successor it is}."""
    found = {}
    inside = {layer.name for layer in model.layers}
    for layer in model.layers:
        if not isinstance(layer, layers.BatchNormalization):
            continue
        before = layer.input._keras_history.operation
        after = {
            node.operation.name for node in before._outbound_nodes if node.operation.name in inside
        }
        kinds = (layers.Conv2D, layers.DepthwiseConv2D)
        is_plain = isinstance(before, kinds) and before.activation is keras.activations.linear
        if is_plain and before.name in inside and after == {layer.name}:
            found[layer.name] = before.name
    return found


def _scale_and_shift(norm):
    """[scale [c], shift [c]] of a batch norm: it gives
    gamma (x - mean) / sqrt(variance + epsilon) + beta."""
    mean, variance = (np.asarray(v) for v in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    scale = scale * np.asarray(norm.gamma) if norm.scale else scale
    shift = -mean * scale
    return [scale, shift + np.asarray(norm.beta) if norm.center else shift]
