"""A NetParameter, the message that a `.caffemodel` file is: its layers and their blobs.

Field numbers are those of src/caffe/proto/caffe.proto (BVLC/caffe), for layers in the form of today
(LayerParameter) and in that of 2014 (V1LayerParameter).
"""

from dataclasses import dataclass, field

from transfer.nets.caffe.wire import BYTES, FIXED32, FIXED64, VARINT, Malformed

LONGEST_NAME = 200  # bytes
MOST_DIMENSIONS = 32  # Caffe's kMaxBlobAxes

NET_V1_LAYERS, NET_INPUT, NET_LAYER = 2, 3, 100
LAYER = {1: "name", 2: "kind", 3: "bottoms", 4: "tops", 7: "blobs", 104: "concat", 117: "product"}
V1_LAYER = {4: "name", 5: "kind", 2: "bottoms", 3: "tops", 6: "blobs", 9: "concat", 17: "product"}
V1_OLDER = 1  # a layer in the form of before 2014
V1_KINDS = {
    3: "Concat",
    4: "Convolution",
    6: "Dropout",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    19: "Sigmoid",
    20: "Softmax",
    22: "Split",
    23: "TanH",
    25: "Eltwise",
    26: "Power",
}
BLOB_LEGACY = (1, 2, 3, 4)  # num, channels, height, width
BLOB_DATA, BLOB_SHAPE, BLOB_DOUBLE_DATA = 5, 7, 8


@dataclass
class Blob:
    """An array: its shape, and its numbers as little-endian `dtype` in `chunks` of bytes."""

    shape: tuple = ()
    dtype: str = "<f4"
    chunks: list = field(default_factory=list)


@dataclass
class Layer:
    """A layer: the names of the blobs that it reads, `bottoms`, and gives, `tops`; its weights,
    `blobs`; what is set for layers of the kind Concat and InnerProduct, {field: value}."""

    name: str = ""
    kind: str = ""
    bottoms: list = field(default_factory=list)
    tops: list = field(default_factory=list)
    blobs: list = field(default_factory=list)
    concat: dict = field(default_factory=dict)
    product: dict = field(default_factory=dict)


def parse(fields, message):
    """(names of the network's input blobs, [Layer] in the file's order) of the memoryview
    `message`, by wire.Fields; Malformed where it is no NetParameter with layers."""
    inputs, layers = [], []
    for number, wire, value in fields.of(message):
        if number == NET_INPUT:
            inputs.append(_text(wire, value, "an input's name"))
        elif number in (NET_LAYER, NET_V1_LAYERS):
            _expect(wire, BYTES, "a layer")
            layers.append(_layer(fields, value, is_v1=number == NET_V1_LAYERS))
    if not layers:
        raise Malformed("it holds no layers")
    return inputs, layers


def _layer(fields, message, is_v1):
    layer = Layer()
    for number, wire, value in fields.of(message):
        what = (V1_LAYER if is_v1 else LAYER).get(number)
        if what in ("bottoms", "tops"):
            getattr(layer, what).append(_text(wire, value, "a blob's name"))
        elif what == "name":
            layer.name = _text(wire, value, "a layer's name")
        elif what == "kind" and is_v1:
            _expect(wire, VARINT, "a layer's kind")
            layer.kind = V1_KINDS.get(value, f"number {value}")
        elif what == "kind":
            layer.kind = _text(wire, value, "a layer's kind")
        elif what == "blobs":
            _expect(wire, BYTES, "a blob")
            layer.blobs.append(_blob(fields, value))
        elif what:
            _expect(wire, BYTES, "a layer's settings")
            getattr(layer, what).update({n: setting for n, _, setting in fields.of(value)})
        elif is_v1 and number == V1_OLDER:
            raise Malformed("its layers have a form older than 2014's")
    return layer


def _blob(fields, message):
    blob, legacy, shape = Blob(), {}, None
    for number, wire, value in fields.of(message):
        if number in BLOB_LEGACY:
            _expect(wire, VARINT, "a blob's dimension")
            legacy[number] = value
        elif number == BLOB_SHAPE:
            _expect(wire, BYTES, "a blob's shape")
            shape = _shape(fields, value)
        elif number in (BLOB_DATA, BLOB_DOUBLE_DATA):
            dtype, single = ("<f4", FIXED32) if number == BLOB_DATA else ("<f8", FIXED64)
            if wire not in (BYTES, single) or (blob.chunks and blob.dtype != dtype):
                raise Malformed("a blob's numbers are not floats alone")
            blob.dtype = dtype
            blob.chunks.append(value)
    blob.shape = shape if shape is not None else tuple(legacy.get(n, 0) for n in BLOB_LEGACY)
    return blob


def _shape(fields, message):
    dimensions = []
    for number, wire, value in fields.of(message):
        if number == 1:
            dimensions += [value] if wire == VARINT else fields.varints(value)
    if len(dimensions) > MOST_DIMENSIONS:
        raise Malformed(f"a blob has {len(dimensions)} dimensions")
    return tuple(dimensions)


def _text(wire, value, what):
    _expect(wire, BYTES, what)
    if len(value) > LONGEST_NAME:
        raise Malformed(f"{what} is {len(value):,} bytes long")
    text = bytes(value).decode(errors="replace")
    if not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        raise Malformed(f"{what} is not plain text")
    return text


def _expect(wire, expected, what):
    if wire != expected:
        raise Malformed(f"{what} has the wire type {wire} instead of {expected}")
