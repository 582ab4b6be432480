"""The classes of ImageNet, those of pretrained networks: where their names come from."""

from transfer.downloads.files import File

# Keras' list of the classes: {"0": [wnid, name], ...} in the order of ILSVRC 2012, which is that of
# Caffe's networks too.
CLASSES = File(
    "imagenet_class_index.json",
    ("https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",),
    md5="c2c37ea517e94d9795004a39431a14cb",
    size=35363,
)
