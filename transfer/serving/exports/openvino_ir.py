"""A head and its backbone as one OpenVINO graph.  No TensorFlow."""

import numpy as np

from transfer.errors import InputError
from transfer.heads import kinds
from transfer.heads.methods import transforms
from transfer.nets import graphs
from transfer.nets.graphs import ops, ov
from transfer.serving import networks
from transfer.serving.exports import metadata, openvino_views
from transfer.serving.exports.plan import operation

FREE = -1  # the batch
FILES = ("model.xml", "model.bin")


def _unit_roots(x):
    size = ops.abs(x)
    length = ops.sqrt(ops.reduce_sum(size, np.array([1]), keep_dims=True))
    return ops.divide(
        ops.multiply(ops.sign(x), ops.sqrt(size)), ops.maximum(length, transforms.SHORTEST)
    )


OPERATIONS = {
    "affine": lambda x, kernel, bias: ops.add(ops.matmul(x, kernel, False, False), bias),
    "relu": ops.relu,
    "softmax": lambda x: ops.softmax(x, axis=1),
    "unit_roots": _unit_roots,
}


def classifier(plan, views=None):
    """ov.Model from `image`, uint8 RGB [N, S, S, 3], to `probabilities`, float32 [N, C]: the kept
    backbone's sub-graph, pooled and joined as for the features, and the head; where it has several
    views, on all of them in one batch, then their mean; views: their names, None for the plan's."""
    views = plan.views if views is None else views
    graph, head = networks.opened(plan.head, plan.backbone, plan.layers, plan.size, FREE)
    openvino_views.stack(graph, views)
    pooled = [result.input_value(0) for result in graph.get_results()]
    x = ops.concat(pooled, axis=1).output(0) if len(pooled) > 1 else pooled[0]
    _require_length(x.get_partial_shape()[1].get_length(), head)
    for name, *arrays in kinds.named(head.kind).operations(head.arrays):
        x = operation(OPERATIONS, name, x, *arrays).output(0)
    if len(views) > 1:
        x = openvino_views.mean(x, len(views))
    x.get_tensor().set_names({"probabilities"})
    model = ov.Model([ops.result(x)], graph.get_parameters(), plan.card.name)
    # Given names count what the process made before: not the same bytes each time.
    for i, op in enumerate(model.get_ordered_ops()):
        kind = op.get_type_name()
        op.set_friendly_name("image" if kind == "Parameter" else f"{kind.lower()}_{i}")
    model.set_rt_info(metadata.text(plan.head), [metadata.KEY])
    return model


def save(plan, folder):
    """Writes `classifier` into `folder` as model.xml and model.bin, in float32."""
    graphs.write(classifier(plan), folder / FILES[0])


def is_ours(folder):
    """Whether `folder` is one that holds nothing but files that `save` wrote, or nothing."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    if {path.name for path in folder.iterdir()} != set(FILES):
        return False
    try:
        return ov.Core().read_model(folder / FILES[0]).has_rt_info([metadata.KEY])
    except RuntimeError:
        return False


def run(model, images):
    """float32 [N, C] of uint8 images [N, S, S, 3] by `model`: an ov.Model, or the path of a file
    that OpenVINO reads (ONNX, TensorFlow Lite)."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
    return np.array(compiled(images)[0])


def _require_length(length, head):
    d, _ = kinds.named(head.kind).sizes(head.arrays)
    if length != d:
        raise InputError(
            f"the head takes {d} features an image and the layers of its recipe give {length}; "
            f"`dvc repro` trains one that fits"
        )
