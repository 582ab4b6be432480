"""Weights of Caffe's `.caffemodel` files, in the form of our `.npy`: name -> [weights, biases].

Caffe keeps kernels as out, in, height, width, and reads a map into a dense layer channel by
channel; ours are height, width, in, out (HWIO), and dense layers read a map pixel by pixel.
"""

import math

import numpy as np

from transfer.errors import InputError
from transfer.nets.caffe import netparameter
from transfer.nets.caffe.wire import Fields, Malformed

MOST_FIELDS = 50_000  # of one file, floats aside; GoogLeNet's has some 5,000

# Kinds of layer that give as many channels as they take.
KEEPING = "Dropout ELU Eltwise LRN Pooling Power ReLU Sigmoid Softmax Split TanH".split()

CONCAT_AXES = (1, 2)  # fields concat_dim and axis, both 1 (channels) where not set
PRODUCT_AXIS, PRODUCT_TRANSPOSE = 5, 6


def read(path):
    """{name: [weights, biases]} of the file `path`, float32 or float64, in the file's order:
    kernels HWIO, of dense layers [in, out]; names have `_` for `/`.

    Only layers that the last one with weights depends on: files of training hold auxiliary
    classifiers too.  Raises InputError for a file that is damaged, or that holds weights of another
    kind of layer.  Takes memory for the weights alone, after their sizes were held against the
    file's.
    """
    try:
        if not path.stat().st_size:
            raise Malformed("it is empty")
        mapped = memoryview(np.memmap(path, np.uint8, "r"))
        inputs, layers = netparameter.parse(Fields(MOST_FIELDS), mapped)
        depths = _depths(inputs, layers)
        weights = [(layer, depths[at]) for at, layer in _needed(layers) if layer.blobs]
        arrays = {}
        for layer, depth in weights:
            name = layer.name.replace("/", "_")
            if name in arrays:
                raise Malformed(f"two of its layers have the name {layer.name!r}")
            arrays[name] = _arrays(layer, depth)
        return arrays
    except Malformed as fault:
        raise InputError(
            f"{path.name} can't be read as a Caffe model: {fault}; fetch the file anew, or correct "
            f"`weights` in the card"
        ) from None


def _depths(inputs, layers):
    """For each layer the channels of the first blob that it reads, None where the file does not
    tell.  Malformed where a layer reads what no layer before it gives."""
    channels, depths = dict.fromkeys(inputs), []
    for layer in layers:
        for blob in layer.bottoms:
            if blob not in channels:
                raise Malformed(f"layer {layer.name} reads {blob!r}, which none before it gives")
        read = set(layer.bottoms)
        for blob in layer.tops:
            if blob in channels and blob not in read:
                raise Malformed(f"layer {layer.name} gives {blob!r}, which one before it gives")
        taken = [channels[blob] for blob in layer.bottoms]
        depths.append(taken[0] if taken else None)
        channels |= dict.fromkeys(layer.tops, _given(layer, taken))
    return depths


def _given(layer, taken):
    """The channels of what `layer` gives, of those that it takes."""
    if layer.kind in ("Convolution", "InnerProduct") and layer.blobs:
        shape = layer.blobs[0].shape
        return shape[-2 if layer.kind == "InnerProduct" else 0] if len(shape) > 1 else None
    if layer.kind == "Concat" and None not in taken:
        return sum(taken) if all(layer.concat.get(n, 1) == 1 for n in CONCAT_AXES) else None
    return taken[0] if layer.kind in KEEPING and taken else None


def _needed(layers):
    """(place, Layer) of those that the last layer with weights depends on, and that one."""
    wanted, needed = set(), []
    for at, layer in reversed([*enumerate(layers)]):
        if wanted & set(layer.tops) if needed else layer.blobs:
            wanted.update(layer.bottoms)
            needed.append((at, layer))
    if not needed:
        raise Malformed("no layer of it has weights")
    return needed[::-1]


def _arrays(layer, depth):
    """[weights, biases], or [weights], of a layer that reads `depth` channels."""
    if layer.kind not in ("Convolution", "InnerProduct") or len(layer.blobs) > 2:
        raise Malformed(
            f"layer {layer.name} of kind {layer.kind} has {len(layer.blobs)} arrays of weights; "
            f"known are one or two of Convolution and InnerProduct"
        )
    arrays = [_array(layer, blob) for blob in layer.blobs]
    turn = _kernel if layer.kind == "Convolution" else _matrix
    kernel = turn(layer, arrays[0], depth)
    outputs = kernel.shape[-1]
    for array in arrays[1:]:
        if array.size != outputs or max(array.shape, default=1) != outputs:
            raise Malformed(f"layer {layer.name} of {outputs} outputs has biases {array.shape}")
    # Copies, so that nothing holds on to the file.
    return [np.array(kernel, order="C"), *(np.array(array).reshape(-1) for array in arrays[1:])]


def _array(layer, blob):
    """The numbers of `blob`, in its shape."""
    count, itemsize = math.prod(blob.shape), np.dtype(blob.dtype).itemsize
    if count * itemsize != sum(len(chunk) for chunk in blob.chunks) or not count:
        raise Malformed(
            f"layer {layer.name} says the shape {blob.shape} and holds "
            f"{sum(len(chunk) for chunk in blob.chunks):,} bytes of {blob.dtype}"
        )
    if any(len(chunk) % itemsize for chunk in blob.chunks):
        raise Malformed(f"layer {layer.name} holds a part of a number")
    parts = [np.frombuffer(chunk, blob.dtype) for chunk in blob.chunks]
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return whole.reshape(blob.shape)


def _kernel(layer, array, _):
    if array.ndim != 4:
        raise Malformed(f"layer {layer.name} is a convolution with weights of shape {array.shape}")
    return array.transpose(2, 3, 1, 0)  # OIHW to HWIO


def _matrix(layer, array, depth):
    if layer.product.get(PRODUCT_TRANSPOSE) or layer.product.get(PRODUCT_AXIS, 1) != 1:
        raise Malformed(f"layer {layer.name} is transposed, or not over channels and area")
    if array.ndim < 2 or math.prod(array.shape[:-2]) != 1:
        raise Malformed(f"layer {layer.name} is dense with weights of shape {array.shape}")
    outputs, inputs = array.shape[-2:]
    if not depth or inputs % depth:
        raise Malformed(
            f"dense layer {layer.name} takes {inputs:,} values of {depth or 'unknown'} channels, "
            f"so their order can't be told"
        )
    by_area = array.reshape(outputs, depth, -1).transpose(2, 1, 0)  # O, C, HW to HW, C, O
    return by_area.reshape(inputs, outputs)
