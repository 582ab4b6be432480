"""AlexNet (Krizhevsky et al. 2012) as BVLC trained it (models/bvlc_alexnet of Caffe), in two forms
that take the same weights.

Its dense layers fix the input to 227 px.  Two columns of the paper are two groups of channels in
conv2, conv4 and conv5.
"""

from keras import layers

from transfer.nets.local_response import LocalResponse


def build(image):
    """The form of bvlc_alexnet.npy's users: float32 image [N, 227, 227, 3] -> class probabilities
    [N, 1000], every block a named layer.

    conv1 pads its input (`same`), which Caffe's does not: 57 x 57 values instead of 55 x 55, and
    the same 13 x 13 from maxpool2 on.
    """
    return _network(image, "same", norm="lrn", pool="maxpool")


def build_caffe(image):
    """Caffe's own form (deploy.prototxt): as `build`, conv1 `valid`, with Caffe's names."""
    return _network(image, "valid", norm="norm", pool="pool")


def _network(image, padding, norm, pool):
    x = _conv(image, 96, 11, "conv1", strides=4, padding=padding)
    x = LocalResponse(name=f"{norm}1")(x)
    x = _pool(x, f"{pool}1")
    x = _conv(x, 256, 5, "conv2", groups=2)
    x = LocalResponse(name=f"{norm}2")(x)
    x = _pool(x, f"{pool}2")
    x = _conv(x, 384, 3, "conv3")
    x = _conv(x, 384, 3, "conv4", groups=2)
    x = _conv(x, 256, 3, "conv5", groups=2)
    x = layers.Flatten(name="flat")(_pool(x, f"{pool}5"))
    x = layers.Dense(4096, activation="relu", name="fc6")(x)
    x = layers.Dense(4096, activation="relu", name="fc7")(x)
    return layers.Dense(1000, activation="softmax", name="fc8")(x)


def _conv(x, filters, size, name, strides=1, padding="same", groups=1):
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        groups=groups,
        activation="relu",
        name=name,
    )(x)


def _pool(x, name):
    # Caffe rounds pooled sizes up; at 227 px they come out whole.
    return layers.MaxPooling2D(3, 2, name=name)(x)
