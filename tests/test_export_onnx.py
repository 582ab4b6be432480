"""Each operation of an OpenVINO graph in ONNX, read by ONNX Runtime and compared with OpenVINO."""

import re

import numpy as np
import onnxruntime
import openvino as ov
import pytest
from openvino import opset15 as ops

from transfer.errors import InputError
from transfer.serving.exports import onnx_file, onnx_operations, openvino_ir

# One small graph for each operation that has a form in ONNX, of x float32 [N, 4, 7, 6] in -2..2.
C = np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4, 1, 1)
KERNEL = np.linspace(-1, 1, 6 * 4 * 3 * 3, dtype=np.float32)
SAME = ([1, 2], [0, 1], [1, 2])  # strides, pads before, pads after


def operations_in(name):
    """{"Pad"} of "Pad with edges": the operations that a graph of this name is for."""
    return set(re.split(" with| of", name)[0].split(", "))


def reversed_channels(x):
    count = ops.gather(ops.shape_of(x, output_type="i32"), [0], 0)
    lengths = ops.broadcast(np.array([4], np.int32), count)
    return ops.reverse_sequence(x, lengths, 0, 1)


GRAPHS = {
    "Abs": ops.abs,
    "AdaptiveAvgPool": lambda x: ops.adaptive_avg_pool(x, [3, 2]),
    "Add": lambda x: ops.add(x, C),
    "AvgPool": lambda x: ops.avg_pool(x, *SAME, [3, 3], True),
    "AvgPool with pads": lambda x: ops.avg_pool(x, *SAME, [3, 3], False, "ceil"),
    "Broadcast, Gather, ReverseSequence, ShapeOf": reversed_channels,
    "Clamp": lambda x: ops.clamp(x, -0.5, 1.5),
    "Concat": lambda x: ops.concat([x, ops.relu(x)], 1),
    "Convolution": lambda x: ops.convolution(x, KERNEL.reshape(6, 4, 3, 3), *SAME, [2, 1]),
    "Divide": lambda x: ops.divide(x, C),
    "Erf": ops.erf,
    "GroupConvolution": lambda x: ops.group_convolution(
        x, KERNEL.reshape(2, 6, 2, 3, 3), *SAME, [1, 1]
    ),
    "HSigmoid": ops.hsigmoid,
    "HSwish": ops.hswish,
    "LRN": lambda x: ops.lrn(x, [1], 0.5, 0.75, 2.0, 3),
    "MatMul": lambda x: ops.matmul(x, KERNEL[:30].reshape(5, 6), False, True),
    "MatMul of maps": lambda x: ops.matmul(x, x, True, False),
    "Maximum": lambda x: ops.maximum(x, C),
    "MaxPool": lambda x: ops.max_pool(x, [2, 2], [1, 1], [0, 1], [0, 1], [3, 3], "ceil"),
    "Multiply": lambda x: ops.multiply(x, C),
    "Pad": lambda x: ops.pad(x, [0, 0, 1, 0], [0, 1, 0, 2], "constant", np.float32(3)),
    "Pad with edges": lambda x: ops.pad(x, [0, 0, 1, 0], [0, 0, 0, 2], "edge"),
    "Power": lambda x: ops.power(ops.relu(x), np.float32(1.5)),
    "ReduceMean": lambda x: ops.reduce_mean(x, [2, 3], True),
    "ReduceMean without axes": lambda x: ops.reduce_mean(x, [1], False),
    "ReduceSum": lambda x: ops.reduce_sum(x, [2, 3], True),
    "Relu": ops.relu,
    "Reshape": lambda x: ops.reshape(x, [0, -1, 2], True),
    "Round": lambda x: ops.round(ops.multiply(x, np.float32(255 / 8)), "half_to_even"),
    "Sigmoid": ops.sigmoid,
    "Sign": lambda x: ops.sign(ops.round(x, "half_to_even")),
    "Softmax": lambda x: ops.softmax(x, 1),
    "Sqrt": lambda x: ops.sqrt(ops.relu(x)),
    "SquaredDifference": lambda x: ops.squared_difference(x, C),
    "Subtract": lambda x: ops.subtract(x, C),
    "Swish": ops.swish,
    "Swish of a slope": lambda x: ops.swish(x, np.float32(0.5)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_an_operation_in_onnx(name):
    image = ops.parameter([-1, 7, 6, 4], np.uint8, name="image")
    x = ops.transpose(ops.convert(image, np.float32), [0, 3, 1, 2])
    x = ops.subtract(ops.multiply(x, np.float32(4 / 255)), np.float32(2))
    network = ov.Model([ops.result(GRAPHS[name](x))], [image], "graph")
    assert operations_in(name) <= {op.get_type_name() for op in network.get_ordered_ops()}
    images = np.random.default_rng(0).integers(0, 256, (3, 7, 6, 4), np.uint8)
    session = onnxruntime.InferenceSession(onnx_file.translated(network).SerializeToString())
    (found,) = session.run(["probabilities"], {"image": images})
    np.testing.assert_allclose(found, openvino_ir.run(network, images), atol=1e-5)


def test_a_rounding_that_onnx_lacks_is_refused():
    image = ops.parameter([-1, 7, 6, 4], np.uint8, name="image")
    x = ops.round(ops.convert(image, np.float32), "half_away_from_zero")
    with pytest.raises(InputError, match="net can't be exported to onnx, which rounds halves to e"):
        onnx_file.translated(ov.Model([ops.result(x)], [image], "net"))


def test_every_operation_in_onnx_is_tried():
    tried = set().union(*map(operations_in, GRAPHS)) | {"Convert", "Transpose"}
    assert tried == set(onnx_operations.OPERATIONS)
