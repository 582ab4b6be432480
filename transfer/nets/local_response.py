"""Local response normalisation, of the nets that were trained with Caffe."""

import tensorflow as tf
from keras import layers

RADIUS = 2  # channels on either side
ALPHA = 1e-4 / 5  # Caffe divides its alpha by the number of channels, TensorFlow does not
BETA = 0.75


class LocalResponse(layers.Layer):
    """Local response normalisation over 5 channels: x / (1 + 1e-4 / 5 * sum x^2) ** .75
    (Krizhevsky et al. 2012, section 3.3, with the constants of Caffe's models)."""

    def call(self, x):
        return tf.nn.local_response_normalization(
            x, depth_radius=RADIUS, bias=1.0, alpha=ALPHA, beta=BETA
        )
