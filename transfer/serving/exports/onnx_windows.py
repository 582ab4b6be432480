"""Convolutions and pools of an OpenVINO graph, in ONNX; see onnx_operations."""

import numpy as np


def value(op, i):
    """The array of input `i`, a constant, of `op`."""
    return np.array(op.input_value(i).get_node().data)


def _window(attributes):
    """The attributes that a convolution and a pool share, with the padding spelled out."""
    return {
        "strides": attributes["strides"],
        "pads": [*attributes["pads_begin"], *attributes["pads_end"]],
    }


def convolution(sheet, op):
    given = op.get_attributes()
    return sheet.add(
        "Conv",
        [sheet.input(op, 0), sheet.input(op, 1)],
        dilations=given["dilations"],
        **_window(given),
    )


def group_convolution(sheet, op):
    given, kernel = op.get_attributes(), value(op, 1)  # [groups, out, in, h, w]
    flat = sheet.constant(kernel.reshape(-1, *kernel.shape[2:]))
    return sheet.add(
        "Conv",
        [sheet.input(op, 0), flat],
        group=len(kernel),
        dilations=given["dilations"],
        **_window(given),
    )


def max_pool(sheet, op):
    given = op.get_attributes()
    return sheet.add(
        "MaxPool",
        [sheet.input(op, 0)],
        kernel_shape=given["kernel"],
        dilations=given["dilations"],
        ceil_mode=int(given["rounding_type"] != "floor"),
        **_window(given),
    )


def average_pool(sheet, op):
    given = op.get_attributes()
    return sheet.add(
        "AveragePool",
        [sheet.input(op, 0)],
        kernel_shape=given["kernel"],
        count_include_pad=int(not given["exclude-pad"]),
        ceil_mode=int(given["rounding_type"] != "floor"),
        **_window(given),
    )


def cells(sheet, op):
    """Means of rows, then of columns, as products with matrices: ONNX has pools of equal windows
    alone, and cells differ by one where they don't divide the length."""
    height, width = (op.input_value(0).get_partial_shape()[axis].get_length() for axis in (2, 3))
    rows, columns = value(op, 1)
    x = sheet.add("MatMul", [sheet.constant(_means(rows, height)), sheet.input(op, 0)])
    return sheet.add("MatMul", [x, sheet.constant(_means(columns, width).T.copy())])


def _means(cells, length):
    """float32 [cells, length]: row i averages floor(i length / cells) to ceil((i + 1) length /
    cells), the windows of OpenVINO's AdaptiveAvgPool."""
    matrix = np.zeros((cells, length), np.float32)
    for i in range(cells):
        start, end = i * length // cells, -(-(i + 1) * length // cells)
        matrix[i, start:end] = 1 / (end - start)
    return matrix
