"""What each operation of an OpenVINO graph (opset 15) is in ONNX (opset 17).

docs.openvino.ai, "Operation sets"; onnx.ai/onnx/operators.  Images are [N, C, H, W] in both.  An
entry of `OPERATIONS` takes the sheet (onnx_file.Sheet) and the openvino.Node and gives the name
of its output.
"""

import numpy as np
from onnx import TensorProto

from transfer.errors import InputError
from transfer.serving.exports import onnx_windows as windows
from transfer.serving.exports.onnx_windows import value

TYPES = {
    "f16": TensorProto.FLOAT16,
    "f32": TensorProto.FLOAT,
    "i32": TensorProto.INT32,
    "i64": TensorProto.INT64,
    "u8": TensorProto.UINT8,
}


def _same(kind):
    """An operation that is ONNX's `kind`, without attributes and with the same inputs."""
    return lambda sheet, op: sheet.add(kind, _inputs(sheet, op))


def _inputs(sheet, op):
    return [sheet.input(op, i) for i in range(op.get_input_size())]


def _int64(sheet, op, i):
    return sheet.add("Cast", [sheet.input(op, i)], to=TensorProto.INT64)


def _reduce_mean(sheet, op):
    keep = int(op.get_attributes()["keep_dims"])
    return sheet.add(
        "ReduceMean", [sheet.input(op, 0)], axes=value(op, 1).ravel().tolist(), keepdims=keep
    )


def _transpose(sheet, op):
    return sheet.add("Transpose", [sheet.input(op, 0)], perm=value(op, 1).tolist())


def _convert(sheet, op):
    return sheet.add(
        "Cast", [sheet.input(op, 0)], to=TYPES[op.get_attributes()["destination_type"]]
    )


def _concat(sheet, op):
    return sheet.add("Concat", _inputs(sheet, op), axis=op.get_attributes()["axis"])


def _softmax(sheet, op):
    return sheet.add("Softmax", [sheet.input(op, 0)], axis=op.get_attributes()["axis"])


def _mat_mul(sheet, op):
    given = op.get_attributes()
    ends = [
        _turned(sheet, op, i) if given[f"transpose_{side}"] else sheet.input(op, i)
        for i, side in enumerate("ab")
    ]
    return sheet.add("MatMul", ends)


def _turned(sheet, op, i):
    """Input `i` with its last two axes exchanged."""
    if op.input_value(i).get_node().get_type_name() == "Constant":
        return sheet.constant(np.ascontiguousarray(np.swapaxes(value(op, i), -1, -2)))
    rank = op.input_value(i).get_partial_shape().rank.get_length()
    return sheet.add("Transpose", [sheet.input(op, i)], perm=[*range(rank - 2), rank - 1, rank - 2])


def _reshape(sheet, op):
    # A 0 of the shape stands for the input's own length where `special_zero`; else there is none.
    return sheet.add("Reshape", [sheet.input(op, 0), _int64(sheet, op, 1)])


def _local_response(sheet, op):
    given = op.get_attributes()
    return sheet.add(
        "LRN",
        [sheet.input(op, 0)],
        **{name: given[name] for name in ("alpha", "beta", "bias", "size")},
    )


def _gather(sheet, op):
    axis = int(value(op, 2).ravel()[0])
    return sheet.add("Gather", [sheet.input(op, 0), sheet.input(op, 1)], axis=axis)


def _shape_of(sheet, op):
    shape = sheet.add("Shape", [sheet.input(op, 0)])
    return sheet.add("Cast", [shape], to=TYPES[op.get_attributes()["output_type"]])


def _broadcast(sheet, op):
    return sheet.add("Expand", [sheet.input(op, 0), _int64(sheet, op, 1)])


def _reverse_sequence(sheet, op):
    given = op.get_attributes()
    return sheet.add(
        "ReverseSequence",
        [sheet.input(op, 0), _int64(sheet, op, 1)],
        batch_axis=given["batch_axis"],
        time_axis=given["seq_axis"],
    )


def _pad(sheet, op):
    pads = sheet.constant(np.concatenate([value(op, 1), value(op, 2)]).astype(np.int64))
    filling = [sheet.input(op, 3)] if op.get_input_size() > 3 else []
    mode = op.get_attributes()["pad_mode"]
    return sheet.add("Pad", [sheet.input(op, 0), pads, *filling], mode=mode)


def _squared_difference(sheet, op):
    difference = sheet.add("Sub", _inputs(sheet, op))
    return sheet.add("Mul", [difference, difference])


def _clamp(sheet, op):
    given = op.get_attributes()
    ends = [sheet.constant(np.float32(given[name])) for name in ("min", "max")]
    return sheet.add("Clip", [sheet.input(op, 0), *ends])


def _swish(sheet, op):
    x = sheet.input(op, 0)
    scaled = sheet.add("Mul", [x, sheet.input(op, 1)]) if op.get_input_size() > 1 else x
    return sheet.add("Mul", [x, sheet.add("Sigmoid", [scaled])])


def _hard_sigmoid(sheet, op):
    # min(max(x + 3, 0), 6) / 6
    return sheet.add("HardSigmoid", [sheet.input(op, 0)], alpha=1 / 6, beta=0.5)


def _round(sheet, op):
    if op.get_attributes()["mode"] != "half_to_even":
        raise InputError(
            f"{sheet.net} can't be exported to onnx, which rounds halves to even alone; choose "
            f"keras, openvino or tflite"
        )
    return sheet.add("Round", [sheet.input(op, 0)])


def _reduce_sum(sheet, op):
    keep = int(op.get_attributes()["keep_dims"])
    return sheet.add("ReduceSum", [sheet.input(op, 0), _int64(sheet, op, 1)], keepdims=keep)


OPERATIONS = {
    "Abs": _same("Abs"),
    "AdaptiveAvgPool": windows.cells,
    "Add": _same("Add"),
    "AvgPool": windows.average_pool,
    "Broadcast": _broadcast,
    "Clamp": _clamp,
    "Concat": _concat,
    "Convert": _convert,
    "Convolution": windows.convolution,
    "Divide": _same("Div"),
    "Erf": _same("Erf"),
    "Gather": _gather,
    "GroupConvolution": windows.group_convolution,
    "HSigmoid": _hard_sigmoid,
    "HSwish": _same("HardSwish"),
    "LRN": _local_response,
    "MatMul": _mat_mul,
    "MaxPool": windows.max_pool,
    "Maximum": _same("Max"),
    "Multiply": _same("Mul"),
    "Pad": _pad,
    "Power": _same("Pow"),
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Relu": _same("Relu"),
    "Reshape": _reshape,
    "ReverseSequence": _reverse_sequence,
    "Round": _round,
    "ShapeOf": _shape_of,
    "Sigmoid": _same("Sigmoid"),
    "Sign": _same("Sign"),
    "Softmax": _softmax,
    "Sqrt": _same("Sqrt"),
    "SquaredDifference": _squared_difference,
    "Subtract": _same("Sub"),
    "Swish": _swish,
    "Transpose": _transpose,
}
