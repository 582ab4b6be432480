"""A head and its backbone as one TensorFlow Lite (LiteRT) file, by Keras' own export."""

import tempfile
from pathlib import Path

from tensorflow.lite.python.convert_phase import ConverterError

from transfer.errors import InputError
from transfer.nets.networks import keras
from transfer.nets.networks import tensorflow as tf
from transfer.serving.exports import keras_file, metadata, openvino_ir

run = openvino_ir.run

# No operation beyond those that each interpreter has.
BUILTINS = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}


def content(plan):
    """The bytes of a .tflite file with a zip archive of metadata and labels behind the network.

    Raises InputError where the network has an operation that TensorFlow Lite lacks.
    """
    network = keras_file.network(plan)
    named = keras.Model(network.input, {"probabilities": network.output})
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "model.tflite")
        try:
            named.export(path, format="litert", verbose=False, **BUILTINS)
        except ConverterError as fault:
            reason = " ".join(str(fault).split())
            raise InputError(
                f"{plan.card.name} can't be exported to tflite: {reason[:300]}; choose keras, onnx "
                f"or openvino"
            ) from None
        return metadata.zipped(plan.head, before=path.read_bytes())
