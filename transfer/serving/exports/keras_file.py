"""A head and its backbone as one Keras network of standard layers alone.

Imports TensorFlow, as does the export to TensorFlow Lite that starts from this network: both are
imported late.
"""

import json
import re
import tempfile
import zipfile
from pathlib import Path

from transfer.heads import kinds
from transfer.heads.methods import tail as tail_
from transfer.heads.methods import transforms
from transfer.nets import conversion, pooling, tails
from transfer.nets.local_response import ALPHA, BETA, RADIUS, LocalResponse
from transfer.nets.networks import keras, ops
from transfer.serving import networks
from transfer.serving.exports import keras_views, metadata
from transfer.serving.exports.plan import operation

layers = keras.layers


def content(plan):
    """The bytes of a .keras file of `network`, with the metadata in its archive."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "model.keras")
        network(plan).save(path)
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    return metadata.zipped(plan.head, entries=entries | _timeless(entries))


def _timeless(entries):
    """The entries of a .keras archive that tell a date or addresses in memory, without them."""
    versions = json.loads(entries["metadata.json"])
    del versions["date_saved"]
    ids = {}  # of objects that stand more than once
    config = re.sub(
        rb'("shared_object_id": )(\d+)',
        lambda match: match[1] + b"%d" % ids.setdefault(match[2], len(ids)),
        entries["config.json"],
    )
    return {"metadata.json": json.dumps(versions).encode(), "config.json": config}


def run(path, images):
    """float32 [N, C] of uint8 images [N, S, S, 3] by the .keras file at `path`."""
    return keras.saving.load_model(path).predict(images, verbose=0)


def network(plan):
    """keras.Model from `image`, uint8 RGB [N, S, S, 3], to `probabilities`, float32 [N, C], built
    of the card and the weights in `plan.weights`."""
    keras.utils.clear_session()  # it numbers unnamed layers: equal heads make equal bytes
    names = list(dict.fromkeys(name for name, _ in plan.layers))
    head, tail = plan.head, None
    if head.kind == "finetune":
        tail, head = _tail(plan), networks.dense(head)
    operations = kinds.named(head.kind).operations(head.arrays)
    image = keras.Input((plan.size, plan.size, 3), dtype="uint8", name="image")
    views = keras_views.stacked(image, plan.views)
    found = _backbone(plan, names)(_pixels(views, plan.card.pixels))
    maps = dict(zip(names, found, strict=True))
    if tail is None:
        x = pooling.joined(maps, plan.layers)
    else:
        x = layers.GlobalAveragePooling2D(name="features")(tail(found[0]))
    count, last = len(plan.views), len(operations) - 1
    for i, (kind, *arrays) in enumerate(operations):
        name = "probabilities" if i == last and count == 1 else f"head_{i}_{kind}"
        x = operation(OPERATIONS, kind, x, name, *arrays)
    if count > 1:
        x = keras_views.mean(x, count, "probabilities")
    return keras.Model(image, x, name=plan.card.name)


def _tail(plan):
    """keras.Model of the tuned layers of a fine-tuned network."""
    graph = tail_.graph_of(plan.head.arrays)
    shape = graph.input(0).get_partial_shape().to_shape()[1:]
    ((cut, _),) = plan.layers
    made = tails.build(plan.card, plan.weights, cut, plan.head.selection["upto"], shape)
    tails.take(made, graph)
    return tails.plain(made)


def _backbone(plan, names):
    """keras.Model to the layers `names`, filled, all of it standard layers."""
    model, _ = conversion.filled(plan.card, plan.weights)
    trunk = keras.Model(model.input, [model.get_layer(name).output for name in names])

    def standard(layer):
        if isinstance(layer, LocalResponse):
            return _local_response(layer)
        return layer.__class__.from_config(layer.get_config())

    made = keras.models.clone_model(trunk, clone_function=standard)
    made.set_weights(trunk.get_weights())
    return made


def _pixels(image, convention):
    """float32 [N, S, S, 3] in the convention, a cards.Pixels."""
    if convention.order == "BGR":
        image = ops.take(image, [2, 1, 0], axis=-1)
    scale = 1 / convention.divisor
    return layers.Rescaling(scale, [-m * scale for m in convention.mean], name="pixels")(image)


def _local_response(layer):
    """`layer`, a LocalResponse, as a network of standard operations: the squares of two channels on
    either side are those of a padded array, shifted."""
    shape = layer.input.shape[1:]
    x = keras.Input(shape)
    squares = ops.pad(ops.square(x), [[0, 0]] * (len(shape)) + [[RADIUS, RADIUS]])
    windows = [squares[..., i : i + shape[-1]] for i in range(2 * RADIUS + 1)]
    total = windows[0]
    for window in windows[1:]:
        total = total + window
    return keras.Model(x, x / (1 + ALPHA * total) ** BETA, name=layer.name)


def _affine(x, name, kernel, bias):
    layer = layers.Dense(len(bias), name=name)
    y = layer(x)
    layer.set_weights([kernel, bias])
    return y


def _unit_roots(x, name):
    size = ops.abs(x)
    length = ops.sqrt(ops.sum(size, axis=1, keepdims=True))
    return ops.sign(x) * ops.sqrt(size) / ops.maximum(length, float(transforms.SHORTEST))


OPERATIONS = {
    "affine": _affine,
    "relu": lambda x, name: layers.ReLU(name=name)(x),
    "softmax": lambda x, name: layers.Softmax(name=name)(x),
    "unit_roots": _unit_roots,
}
