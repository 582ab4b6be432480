"""Writes `.caffemodel` files by the protobuf package, from a schema of its own: an independent
writer for the reader's tests.  Field numbers and types are those of Caffe's caffe.proto."""

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_KIND = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "int32": _KIND.TYPE_INT32,
    "int64": _KIND.TYPE_INT64,
    "float": _KIND.TYPE_FLOAT,
    "double": _KIND.TYPE_DOUBLE,
    "bool": _KIND.TYPE_BOOL,
    "string": _KIND.TYPE_STRING,
}
# Message: field, number, type; `*` for repeated, `!` for repeated and packed.
SCHEMA = {
    "BlobShape": ["dim 1 int64!"],
    "BlobProto": [
        "num 1 int32",
        "channels 2 int32",
        "height 3 int32",
        "width 4 int32",
        "data 5 float!",
        "diff 6 float!",
        "shape 7 BlobShape",
        "double_data 8 double!",
    ],
    "ConcatParameter": ["concat_dim 1 int32", "axis 2 int32"],
    "InnerProductParameter": ["num_output 1 int32", "axis 5 int32", "transpose 6 bool"],
    "LayerParameter": [
        "name 1 string",
        "type 2 string",
        "bottom 3 string*",
        "top 4 string*",
        "blobs 7 BlobProto*",
        "phase 10 int32",
        "concat_param 104 ConcatParameter",
        "inner_product_param 117 InnerProductParameter",
    ],
    "V1LayerParameter": [
        "bottom 2 string*",
        "top 3 string*",
        "name 4 string",
        "type 5 int32",
        "blobs 6 BlobProto*",
        "blobs_lr 7 float*",
        "concat_param 9 ConcatParameter",
        "inner_product_param 17 InnerProductParameter",
    ],
    "NetParameter": [
        "name 1 string",
        "layers 2 V1LayerParameter*",
        "input 3 string*",
        "input_dim 4 int32*",
        "layer 100 LayerParameter*",
    ],
}
V1_TYPES = {
    "Concat": 3,
    "Convolution": 4,
    "Data": 5,
    "Dropout": 6,
    "InnerProduct": 14,
    "LRN": 15,
    "Pooling": 17,
    "ReLU": 18,
    "Softmax": 20,
    "SoftmaxWithLoss": 21,
    "Split": 22,
}


def _messages():
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for line in fields:
            field, number, kind = line.split()
            plain = kind.rstrip("*!")
            made = message.field.add(name=field, number=int(number))
            made.label = _KIND.LABEL_OPTIONAL if plain == kind else _KIND.LABEL_REPEATED
            made.options.packed = kind.endswith("!")
            if plain in _TYPES:
                made.type = _TYPES[plain]
            else:
                made.type, made.type_name = _KIND.TYPE_MESSAGE, f".caffe.{plain}"
    return message_factory.GetMessages([file], pool=descriptor_pool.DescriptorPool())


MESSAGES = {name.removeprefix("caffe."): kind for name, kind in _messages().items()}


def net(layers, v1=False, legacy=False, inputs=()):
    """A NetParameter of `layers`: (name, type, bottoms, tops, arrays), arrays in Caffe's order.

    v1: layers in the form of 2014; legacy: blobs with four dimensions in place of a shape.
    """
    made = MESSAGES["NetParameter"](name="net", input=inputs)
    for name, kind, bottoms, tops, arrays in layers:
        layer = (made.layers if v1 else made.layer).add(name=name, bottom=bottoms, top=tops)
        layer.type = V1_TYPES[kind] if v1 else kind
        for array in arrays:
            blob = layer.blobs.add()
            if array.size > 1 << 16:  # value by value takes minutes
                blob.MergeFromString(field(5, array.tobytes()))
            elif array.dtype == np.float64:
                blob.double_data.extend(array.reshape(-1))
            else:
                blob.data.extend(array.reshape(-1))
            if legacy:
                shape = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = shape
            else:
                blob.shape.dim.extend(array.shape)
    return made


def varint(value):
    """The bytes of a number on the wire."""
    made = b""
    while value > 127:
        made, value = made + bytes([value & 127 | 128]), value >> 7
    return made + bytes([value])


def field(number, content):
    """The bytes of a field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def caffes(kernel, channels=None):
    """A kernel HWIO, or of a dense layer [in, out] over `channels`, in Caffe's order, written
    value by value."""
    if kernel.ndim == 4:
        height, width, depth, outputs = kernel.shape
        turned = np.empty((outputs, depth, height, width), kernel.dtype)
        for h, w in np.ndindex(height, width):
            turned[:, :, h, w] = kernel[h, w].T
        return turned
    inputs, outputs = kernel.shape
    area = inputs // channels
    turned = np.empty((outputs, inputs), kernel.dtype)
    for pixel, channel in np.ndindex(area, channels):
        turned[:, channel * area + pixel] = kernel[pixel * channels + channel]
    return turned
