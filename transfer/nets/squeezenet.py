"""SqueezeNet 1.1 (Iandola et al. 2016; SqueezeNet_v1.1 of the authors' repository)."""

from keras import layers

# Squeeze and expand widths of fire2 .. fire9.
FIRES = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]


def build(image):
    """float32 image [N, H, W, 3] -> class probabilities [N, 1000], every block a named layer."""
    # Caffe rounds pooled sizes up (56 -> 28); these weights are used as their file's users use
    # them, rounded down (27), which their published probabilities on photos bear out.
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for number, (squeeze, expand) in enumerate(FIRES, 2):
        x = _fire(x, f"fire{number}", squeeze, expand)
        if number in (3, 5):
            x = layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    x = layers.Conv2D(1000, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="pool10")(x)
    return layers.Softmax(name="prob")(x)


def _fire(x, name, squeeze, expand):
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
    one = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1x1")(x)
    three = layers.Conv2D(expand, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    return layers.Concatenate(name=name)([one, three])
