"""A head that begins with the tail of a network, tuned: a graph inside the head's own file.

Its arrays: `network` and `constants`, the bytes (uint8) of an OpenVINO IR from activations at a
cut, float32 [B, h, w, c], to the means over the area of its layers [B, D]; `kernel`
[D, C] and `bias` [C] of the dense layer on it.
"""

import functools
import tempfile
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from transfer.errors import InputError
from transfer.heads.methods import stacks
from transfer.nets import graphs
from transfer.nets.graphs import ops, ov

BATCH = 16  # activations that the graph takes at a time
_ARRAYS = ("network", "constants", "kernel", "bias")


def packed(graph, shape):
    """{network, constants} of an ov.Model from activations [N, h, w, c], `shape` (h, w, c), to
    [N, h', w', D]."""
    graph.reshape([BATCH, *shape])
    values = graph.outputs[0].get_node().input_value(0)
    pooled = ops.reduce_mean(values, [1, 2], keep_dims=False)
    pooling = ov.Model([ops.result(pooled)], graph.get_parameters(), "tail")
    pooling.set_rt_info(graph.get_rt_info([graphs.WEIGHTS]).astype(str), [graphs.WEIGHTS])
    # Given names count what the process made before: not the same bytes each time.
    for i, op in enumerate(pooling.get_ordered_ops()):
        for output in op.outputs():
            output.get_tensor().set_names(set())
        if op.get_type_name() != "Constant" or not op.get_friendly_name().startswith("constant_"):
            op.set_friendly_name(f"{op.get_type_name().lower()}-{i}")
    with tempfile.TemporaryDirectory(prefix="tail-") as folder:
        path = Path(folder, "tail.xml")
        graphs.write(pooling, path)
        return {
            name: np.frombuffer(file.read_bytes(), np.uint8)
            for name, file in (("network", path), ("constants", path.with_suffix(".bin")))
        }


def graph_of(arrays):
    """The ov.Model in a head's arrays; InputError where they hold none."""
    try:
        return ov.Core().read_model(
            arrays["network"].tobytes(), ov.Tensor(np.ascontiguousarray(arrays["constants"]))
        )
    except (RuntimeError, KeyError, AttributeError, TypeError):
        raise InputError("its tail is no network; `dvc repro train` makes it anew") from None


def sizes(arrays):
    """(h w c, C); InputError where the arrays don't belong together."""
    if sorted(arrays) != sorted(_ARRAYS):
        received = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"it must hold the arrays {', '.join(_ARRAYS)}; received {received}")
    graph = graph_of(arrays)
    taken, given = (end.get_partial_shape().to_shape() for end in (graph.input(0), graph.output(0)))
    kernel, bias = arrays["kernel"], arrays["bias"]
    if kernel.shape != (given[1], *bias.shape) or bias.ndim != 1:
        raise InputError(
            f"its kernel {list(kernel.shape)} and bias {list(bias.shape)} don't fit its tail, "
            f"which gives {given[1]} features"
        )
    return int(np.prod(taken[1:])), len(bias)


def probabilities(arrays, x):
    """float32 [n, C] of activations x [n, h w c]."""
    with threadpool_limits(1):  # see `stacks`
        logits = embedded(arrays, x) @ arrays["kernel"] + arrays["bias"]
        return np.exp(stacks.log_softmax(logits))


def embedded(arrays, x):
    """float32 [n, D], what the tail gives of activations x [n, h w c]: the tuned features."""
    compiled = _compiled(*(arrays[name].tobytes() for name in ("network", "constants")))
    shape = compiled.input(0).get_partial_shape().to_shape()
    found = np.empty((len(x), len(arrays["kernel"])), np.float32)
    some = np.zeros(shape, np.float32)
    for start in range(0, len(x), BATCH):
        count = len(x[start : start + BATCH])
        some[:count] = x[start : start + BATCH].reshape(count, *shape[1:])
        found[start : start + count] = compiled([some])[0][:count]
    return found


@functools.lru_cache(maxsize=1)
def _compiled(network, constants):
    graph = graph_of(
        {
            "network": np.frombuffer(network, np.uint8),
            "constants": np.frombuffer(constants, np.uint8),
        }
    )
    # In float32 whatever the device has: what is measured is the head that was trained.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    return ov.Core().compile_model(graph, "CPU", settings)


def joined(front, arrays):
    """The ov.Model of `front`, an ov.Model whose one output is activations [B, h w c], and the tail
    behind it: it gives features [B, D]."""
    behind = graph_of(arrays)
    (taken,) = behind.get_parameters()
    batch = front.output(0).get_partial_shape()[0]
    inside = behind.input(0).get_partial_shape()
    shape = [-1, *(length.get_length() for length in list(inside)[1:])]
    behind.reshape([batch, *shape[1:]])
    (given,) = front.get_results()
    flat = ops.convert(given.input_value(0), "f32")
    x = ops.reshape(flat, shape, special_zero=False).output(0)
    for target in taken.output(0).get_target_inputs():
        target.replace_source_output(x)
    return ov.Model(behind.get_results(), front.get_parameters(), front.get_friendly_name())


def dense(arrays):
    """What follows the tail, as the arrays of `stacks`."""
    return stacks.named([(arrays["kernel"], arrays["bias"])])


def operations(arrays):
    """None of kinds.OPERATIONS is a network."""
    raise InputError(
        "a fine-tuned network can't be told as a chain of operations; export it to onnx or openvino"
    )
