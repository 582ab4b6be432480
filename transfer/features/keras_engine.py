"""The card's network run by Keras on TensorFlow: on a GPU where it has one, else on the CPU.

Imports TensorFlow, which takes seconds: `engines` imports it where this engine is asked for.
"""

from collections import deque
from contextlib import contextmanager

from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.features.engine import UNDER_WAY, BaseEngine
from transfer.nets import conversion, graphs, networks, pooling
from transfer.nets.local_response import LocalResponse
from transfer.nets.networks import keras, ops
from transfer.nets.networks import tensorflow as tf

_POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16"}


class KerasEngine(BaseEngine):
    """Keras on TensorFlow's first device, from uint8 [B, S, S, 3] to features float32 [B, D].

    card: cards.Card; weights: the folder of its weights; layers: (name, cells) of each layer that
    is joined; size: S; batch: B.  bf16 is Keras' policy mixed_bfloat16: variables of float32,
    arithmetic in bfloat16; f32 is that of IEEE, without TF32's shorter products.

    Every choice must be one that graphs.open_pooled takes: it says what is wrong with others.
    """

    def __init__(self, card, weights, layers, size, batch, precision):
        # For the whole process.  Without the second a GPU's kernels are raced and the fastest kept.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.config.experimental.enable_op_determinism()
        self.device, self.precision, self.batch = _device(), precision, batch
        versions = networks.VERSIONS
        # A GPU's last digits are not those of the CPU, or of another GPU.
        self.versions = versions | {"tensorflow": f"{versions['tensorflow']} on {self.device}"}
        with _policy(_POLICIES[precision]):
            network, _ = conversion.filled(card, weights)
            for layer in network.layers:
                if isinstance(layer, LocalResponse):
                    layer.dtype_policy = "float32"  # TensorFlow has no other kernel for it
            unpooled = networks.with_pixels(network, card)
        image = keras.Input((size, size, 3), batch_size=batch, dtype="uint8")
        maps = keras.tree.flatten(unpooled(image))  # Keras gives a single one without its list
        maps = {
            name: ops.cast(values, "float32")
            for name, values in zip(card.layers, maps, strict=True)
        }
        self._model = keras.Model(image, pooling.joined(maps, layers))
        self.length, self._size = self._model.output.shape[1], size

        # Keras' own `predict` compiles by XLA where it can; these are the kernels of TensorFlow.
        @tf.function(
            input_signature=[tf.TensorSpec((batch, size, size, 3), tf.uint8)], jit_compile=False
        )
        def run(images):
            return self._model(images, training=False)

        self._run = run

    def stream(self, batches):
        """As Engine.stream: (rows, features float32 [n, D]) of each of `batches`, in their order.

        A GPU computes while the next batch is handed in; only fetching its answer waits for it.
        Raises InputError where the device has too little memory for a batch.
        """
        running = deque()

        def finish():
            rows, features = running.popleft()
            return rows, features.numpy()[: len(rows)]

        for rows, images in batches:
            try:
                running.append((rows, self._run(images)))
            except tf.errors.ResourceExhaustedError:
                raise InputError(
                    f"{self.device} has too little memory for {self.batch} images of {self._size} "
                    f"px at a time; choose a smaller extract.size, or extract.engine: openvino"
                ) from None
            if len(running) == UNDER_WAY:
                yield finish()
        while running:
            yield finish()


def require_weights(folder, about):
    """Raises InputError unless the weights in `folder` are those of the backbone that `about`
    describes, a dict of graphs.read_about."""
    here, expected = manifests.weights_of(folder), graphs.weights_of(about)
    if here != expected:
        raise InputError(
            f"the weights in {folder} ({_words(here)}) are not those that the backbone was "
            f"converted of ({_words(expected)}); `dvc repro backbone` makes it anew"
        )


def _words(weights):
    return weights if weights.startswith("seed ") else weights[:12]


def _device():
    found = tf.config.list_physical_devices("GPU")
    if not found:
        return "cpu"
    return tf.config.experimental.get_device_details(found[0]).get("device_name", "gpu")


@contextmanager
def _policy(name):
    """Context in which Keras' layers are made with the dtype policy `name`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
