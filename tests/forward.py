"""AlexNet and GoogLeNet in plain NumPy, after Caffe's prototxts and formulas: a forward pass in
float64 to hold the builders against.  Maps are [N, H, W, C], kernels HWIO."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def conv(x, weights, stride=1, pad=0, groups=1):
    """Convolution with `pad` zeros, or (before, after), then ReLU."""
    kernel, biases = (np.asarray(array, np.float64) for array in weights)
    pad = (pad, pad) if isinstance(pad, int) else pad
    x = np.pad(x, ((0, 0), pad, pad, (0, 0)))
    windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    parts = [
        np.tensordot(part, filters, axes=((3, 4, 5), (2, 0, 1)))  # C, h, w of either
        for part, filters in zip(
            np.split(windows, groups, axis=3), np.split(kernel, groups, axis=3), strict=True
        )
    ]
    return np.maximum(np.concatenate(parts, axis=3) + biases, 0)


def max_pool(x, stride=2, pad=0, up=True):
    """Over 3x3.  Caffe rounds sizes up and drops a window that starts beyond; not `up` is
    TensorFlow's VALID."""
    size = x.shape[1]
    outputs = (size + 2 * pad - 3 + (stride - 1) * up) // stride + 1
    if pad and (outputs - 1) * stride >= size + pad:
        outputs -= 1
    after = max((outputs - 1) * stride + 3 - size - pad, 0)
    x = np.pad(x, ((0, 0), (pad, after), (pad, after), (0, 0)), constant_values=-np.inf)
    windows = sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    return windows[:, :outputs, :outputs].max(axis=(4, 5))


def local_response(x, alpha=1e-4, beta=0.75, across=5):
    """x_i / (1 + alpha / across * sum of x_j^2 over the `across` channels about i) ^ beta."""
    normed = np.empty_like(x)
    for i in range(x.shape[3]):
        near = x[..., max(0, i - across // 2) : i + across // 2 + 1]
        normed[..., i] = x[..., i] / (1 + alpha / across * (near**2).sum(axis=3)) ** beta
    return normed


def dense(x, weights):
    kernel, biases = (np.asarray(array, np.float64) for array in weights)
    return x.reshape(len(x), -1) @ kernel + biases


def softmax(x):
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def alexnet(x, weights, padded, norm, pool):
    """{layer: values after its activation}; `padded`: as in TensorFlow, conv1 SAME, with
    (57 - 1) * 4 + 11 - 227 = 8 zeros in all, and pools VALID."""
    found = {}
    x = found["conv1"] = conv(x, weights["conv1"], stride=4, pad=4 if padded else 0)
    x = found[f"{norm}1"] = local_response(x)
    x = found[f"{pool}1"] = max_pool(x, up=not padded)
    x = found["conv2"] = conv(x, weights["conv2"], pad=2, groups=2)
    x = found[f"{norm}2"] = local_response(x)
    x = found[f"{pool}2"] = max_pool(x, up=not padded)
    x = found["conv3"] = conv(x, weights["conv3"], pad=1)
    x = found["conv4"] = conv(x, weights["conv4"], pad=1, groups=2)
    x = found["conv5"] = conv(x, weights["conv5"], pad=1, groups=2)
    x = found[f"{pool}5"] = max_pool(x, up=not padded)
    x = found["fc6"] = np.maximum(dense(x, weights["fc6"]), 0)
    x = found["fc7"] = np.maximum(dense(x, weights["fc7"]), 0)
    found["fc8"] = softmax(dense(x, weights["fc8"]))
    return found


def googlenet(x, weights):
    """{layer: values after its activation}, names as Caffe's with `_` for `/`."""
    found = {}

    def step(name, x, **how):
        found[name] = conv(x, weights[name], **how)
        return found[name]

    x = step("conv1_7x7_s2", x, stride=2, pad=3)
    x = found["pool1_3x3_s2"] = max_pool(x)
    x = found["pool1_norm1"] = local_response(x)
    x = step("conv2_3x3", step("conv2_3x3_reduce", x), pad=1)
    x = found["conv2_norm2"] = local_response(x)
    x = found["pool2_3x3_s2"] = max_pool(x)
    for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        name = f"inception_{block}"
        pool = found[f"{name}_pool"] = max_pool(x, stride=1, pad=1)
        branches = [
            step(f"{name}_1x1", x),
            step(f"{name}_3x3", step(f"{name}_3x3_reduce", x), pad=1),
            step(f"{name}_5x5", step(f"{name}_5x5_reduce", x), pad=2),
            step(f"{name}_pool_proj", pool),
        ]
        x = found[name] = np.concatenate(branches, axis=3)
        if block in ("3b", "4e"):
            x = found[f"pool{block[0]}_3x3_s2"] = max_pool(x)
    x = found["pool5_7x7_s1"] = x.mean(axis=(1, 2))
    found["loss3_classifier"] = softmax(dense(x, weights["loss3_classifier"]))
    return found
