"""Local response normalisation, of the nets that were trained with Caffe."""

import tensorflow as tf
from keras import layers


class LocalResponse(layers.Layer):
    """Local response normalisation over 5 channels: x / (1 + 1e-4 / 5 * sum x^2) ** .75
    (Krizhevsky et al. 2012, section 3.3, with the constants of Caffe's models).

    Caffe divides alpha by the number of channels, TensorFlow does not.
    """

    def call(self, x):
        return tf.nn.local_response_normalization(
            x, depth_radius=2, bias=1.0, alpha=1e-4 / 5, beta=0.75
        )
