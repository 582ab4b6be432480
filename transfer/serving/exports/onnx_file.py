"""A head and its backbone as one ONNX file, written from the OpenVINO graph.  No TensorFlow.

The kept graph has two dozen kinds of operation, most of them ONNX's own, so writing them down gives
the very network that the features came from, in equal bytes each time.  The way from Keras by
tf2onnx would need the weights again, orders nodes by chance and writes a grouped convolution as
something that no runtime knows.
"""

import onnx
from onnx import helper, numpy_helper

from transfer.errors import InputError
from transfer.heads import trained
from transfer.serving.exports import metadata, openvino_ir
from transfer.serving.exports.onnx_operations import OPERATIONS
from transfer.serving.exports.onnx_windows import value

run = openvino_ir.run  # another reader of ONNX than the users', so a check of what is written

OPSET, IR_VERSION = 17, 8  # of 2022: read by every runtime of today


def content(plan):
    """The bytes of an .onnx file, with the metadata in its metadata_props.

    Raises InputError where the network has an operation that is not in `OPERATIONS`.
    """
    model = translated(openvino_ir.classifier(plan))
    model.graph.doc_string = trained.title(plan.head)
    helper.set_model_props(model, {metadata.KEY: metadata.text(plan.head)})
    return model.SerializeToString(deterministic=True)


def translated(network):
    """The onnx.ModelProto of an ov.Model from uint8 `image` to float32 `probabilities`."""
    sheet = Sheet(network.get_friendly_name())
    for op in network.get_ordered_ops():
        sheet.write(op)
    model = helper.make_model(
        helper.make_graph(
            sheet.nodes,
            sheet.net,
            [_end("image", onnx.TensorProto.UINT8, network.input(0))],
            [_end("probabilities", onnx.TensorProto.FLOAT, network.output(0))],
            initializer=sheet.constants,
        ),
        producer_name="transfer",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class Sheet:
    """The nodes and constants of an ONNX graph, as they are written down."""

    def __init__(self, net):
        self.net, self.nodes, self.constants = net, [], []
        self._names = {}  # (operation's name, output) -> ONNX name

    def write(self, op):
        """Adds what `op`, an openvino.Node whose inputs were written before, is in ONNX."""
        kind, name = op.get_type_name(), op.get_friendly_name()
        if kind == "Parameter":
            self._names[name, 0] = "image"
        elif kind == "Result":
            self.add("Identity", [self.input(op, 0)], output="probabilities")
        elif kind in OPERATIONS:
            self._names[name, 0] = OPERATIONS[kind](self, op)
        elif kind != "Constant":  # which is written where it is used
            raise InputError(
                f"{self.net} can't be exported to onnx, which has no operation for its {kind}; "
                f"choose keras, openvino or tflite"
            )

    def input(self, op, i):
        """The ONNX name of input `i` of `op`."""
        source = op.input_value(i)
        key = source.get_node().get_friendly_name(), source.get_index()
        if key not in self._names:
            self._names[key] = self.constant(value(op, i))
        return self._names[key]

    def constant(self, array):
        """The name of a constant with these values."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind, inputs, output=None, **attributes):
        """Adds a node; returns the name of its output."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name


def _end(name, kind, port):
    """The input or output `name`; a free length, which only the batch is, is called N."""
    lengths = ["N" if n.is_dynamic else n.get_length() for n in port.partial_shape]
    return helper.make_tensor_value_info(name, kind, lengths)
