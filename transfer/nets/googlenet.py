"""GoogLeNet as BVLC published it (Szegedy et al. 2014, table 1; models/bvlc_googlenet of Caffe)."""

from keras import layers

from transfer.nets.local_response import LocalResponse

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection: table 1 of the paper.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def build(image):
    """float32 image [N, H, W, 3] -> class probabilities [N, 1000], every block a named layer."""
    # Caffe rounds pooled sizes up; on the even sizes that a 224 px input gives, that is `same`.
    x = layers.ZeroPadding2D(3, name="conv1_pad")(image)
    x = _conv(x, 64, 7, "conv1_7x7_s2", strides=2, padding="valid")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1_3x3_s2")(x)
    x = LocalResponse(name="pool1_norm1")(x)
    x = _conv(x, 64, 1, "conv2_3x3_reduce")
    x = _conv(x, 192, 3, "conv2_3x3")
    x = LocalResponse(name="conv2_norm2")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2_3x3_s2")(x)
    for block, widths in INCEPTIONS.items():
        x = _inception(x, f"inception_{block}", *widths)
        if block in ("3b", "4e"):
            x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool{block[0]}_3x3_s2")(x)
    x = layers.GlobalAveragePooling2D(name="pool5_7x7_s1")(x)
    return layers.Dense(1000, activation="softmax", name="loss3_classifier")(x)


def _inception(x, name, one, three_reduce, three, five_reduce, five, pool):
    branches = [
        _conv(x, one, 1, f"{name}_1x1"),
        _conv(_conv(x, three_reduce, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        _conv(_conv(x, five_reduce, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        _conv(
            layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x),
            pool,
            1,
            f"{name}_pool_proj",
        ),
    ]
    return layers.Concatenate(name=name)(branches)


def _conv(x, filters, size, name, strides=1, padding="same"):
    return layers.Conv2D(
        filters, size, strides=strides, padding=padding, activation="relu", name=name
    )(x)
