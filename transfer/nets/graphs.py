"""The converted network: written once as OpenVINO IR, opened as the sub-graph that is needed.

A backbone folder holds network.xml, network.bin and backbone.json (what it was made from); beside
them, where nets.quantisation made it, the same network in int8: quantised.xml and quantised.bin.
"""

import hashlib
import json
import shutil
import sys
import warnings

# OpenVINO's converter reports each use to its makers unless this package can't be imported.
sys.modules.setdefault("openvino_telemetry", None)

import openvino as ov
from openvino import opset15 as ops

from transfer.errors import InputError, unknown
from transfer.nets.layers import WHOLE
from transfer.writing import write_json

GRAPH, ABOUT = "network.xml", "backbone.json"
FILES = (GRAPH, "network.bin")
QUANTISED = ("quantised.xml", "quantised.bin")
VERSION = ov.get_version()
WEIGHTS = "weights_of"  # in rt_info of a tail: see tails.converted


def save(model, layers, about, folder):
    """Converts a keras.Model (uint8 [N, H, W, 3] to one output for each of `layers`) into
    `folder`, and writes `about` (net, weights, versions) beside it with the graph's hash.

    The batch stays free, height and width where `model` leaves them so.  Returns {layer: channels}.
    """
    graph = converted(model)
    graph.inputs[0].get_tensor().set_names({"image"})
    outputs = graph.outputs
    if len(layers) > 1:  # the converter sorts them by name: keras_tensor_10 before keras_tensor_9
        outputs = [graph.output(tensor.name) for tensor in model.outputs]
    elif len(outputs) > 1:  # it takes the insides of some activations (swish) for outputs too
        graph = ov.Model([graph.output("Identity:0").node], graph.get_parameters(), model.name)
        outputs = graph.outputs
    depths = {}
    for output, name in zip(outputs, layers, strict=True):
        output.get_tensor().set_names({name})
        depths[name] = output.get_partial_shape()[-1].get_length()
    for name in (*FILES, *QUANTISED):  # never written into: DVC's cached copy may be the same file
        (folder / name).unlink(missing_ok=True)
    write(graph, folder / GRAPH)
    write_json(folder / ABOUT, about | {"graph": digest(folder), "layers": depths})
    return depths


def write(graph, path):
    """Writes an openvino.Model to `path` (.xml; the weights beside it, .bin) as it is.

    Raises InputError where that can't be: OpenVINO does not say that a disk is full.
    """
    try:
        ov.save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as fault:
        said, free = " ".join(str(fault).split()), shutil.disk_usage(path.parent).free
        raise InputError(
            f"{path} can't be written ({said}); {free:,} bytes are free there: free more, or see "
            f"to the rights, and run it again"
        ) from None


def files_of(precision):
    """The names (.xml, .bin) of the graph that computes in `precision`: bf16, f32 or int8."""
    return QUANTISED if precision == "int8" else FILES


def digest(folder, files=FILES):
    """sha256 (hex) of a graph's `files` in `folder`, FILES or QUANTISED; backbone.json keeps it."""
    found = hashlib.sha256()
    for name in files:
        with open(folder / name, "rb") as file:
            while chunk := file.read(1 << 20):
                found.update(chunk)
    return found.hexdigest()


def converted(model):
    """The openvino.Model of a keras.Model."""
    import tensorflow  # noqa: PLC0415  # whoever has a Keras model has paid for it
    from openvino.frontend.tensorflow import utils  # noqa: PLC0415

    # The converter's own look at TensorFlow's version fails on Python 3.13, where a name that one
    # `exec` binds in a function is not there for the next to delete (PEP 667).
    utils.get_environment_setup = lambda framework: {"tensorflow": tensorflow.__version__}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras', of the list that the converter calls it with
        return ov.convert_model(model)


def read_about(folder):
    """The dict of backbone.json: net, weights, graph, layers {name: channels}, versions; and
    `quantised`, the hash of the int8 network, where there is one.

    Raises InputError where it is missing or damaged.
    """
    path = folder / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        weights = about["weights"]
        if not isinstance(weights.get("sha256", weights.get("seed")), str | int):
            raise ValueError("no weights")
        return about | {"graph": str(about["graph"])}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is not here or damaged; run `dvc repro backbone`") from None


def weights_of(about):
    """What the filters of the backbone that `about` describes are, as manifests.weights_of."""
    weights = about["weights"]
    return weights.get("sha256") or f"seed {weights['seed']}"


def graph_of(about, precision):
    """sha256 (hex) of the graph that computes in `precision`, of the backbone that `about`
    describes; raises InputError where that is int8 and there is no such network."""
    if precision != "int8":
        return about["graph"]
    if "quantised" not in about:
        raise InputError(
            f"the backbone of {about.get('net')} is here without its int8 network; `dvc exp run "
            f"-S net={about.get('net')} -S extract.precision=int8 backbone` makes it"
        )
    return about["quantised"]


def open_pooled(folder, layers, size, batch, precision="f32"):
    """The sub-graph from uint8 [batch, size, size, 3] to pooled features, an ov.Model with one
    output [batch, D_i] for each of `layers`, a list of (name, cells).

    A layer [N, h, w, c] gives its mean over the area [N, c], or over cells x cells parts of it
    [N, cells * cells * c], rows of cells first; in floating point, for int8 too.  For layers.WHOLE
    cells it gives all of it, float16 [N, h * w * c].
    """
    path = folder / files_of(precision)[0]
    try:
        graph = ov.Core().read_model(path)
    except RuntimeError:
        raise InputError(f"{path} is not here or damaged; run `dvc repro backbone`") from None
    names = {name for output in graph.outputs for name in output.get_names()}
    sources = []
    for name, _ in layers:
        if name not in names:
            raise unknown(f"layer of {folder.name}", name, names)
        sources.append(graph.output(name).get_node().input_value(0))
    side = graph.input(0).get_partial_shape()[1]
    # Reshaped nevertheless, dense layers take what they get: numbers of the right shape, wrong.
    if side.is_static and side.get_length() != size:
        raise InputError(
            f"{folder.name} can't take images of {size} px: its dense layers take {side} px alone; "
            f"choose extract.size: card"
        )
    try:
        graph.reshape([batch, size, size, 3])
    except RuntimeError:
        raise InputError(
            f"{folder.name} can't take images of {size} px; choose a larger extract.size, or card"
        ) from None
    results = []
    for values, (name, cells) in zip(sources, layers, strict=True):
        shape = values.get_partial_shape()
        if shape.rank.get_length() == 4:
            if cells > shape[1].get_length():
                raise InputError(
                    f"layer {name} of {folder.name} is {shape[1]} x {shape[2]} at {size} px, which "
                    f"can't be cut into {cells} x {cells} cells; choose fewer, or a "
                    f"larger extract.size"
                )
            values = _pool(values, cells)  # noqa: PLW2901
        results.append(ops.result(values))
    return ov.Model(results, graph.get_parameters(), folder.name)


def _pool(values, cells):
    if cells == WHOLE:
        return ops.reshape(ops.convert(values, "f16"), [0, -1], special_zero=True)
    if cells == 1:
        return ops.reduce_mean(values, [1, 2], keep_dims=False)
    channels_first = ops.transpose(values, [0, 3, 1, 2])
    means = ops.adaptive_avg_pool(channels_first, [cells, cells])
    rows_first = ops.transpose(means, [0, 2, 3, 1])
    return ops.reshape(rows_first, [0, -1], special_zero=True)
