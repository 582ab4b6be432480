"""What an exported file says of itself: one JSON text, and the class names a line each."""

import io
import json
import zipfile

from transfer.heads import trained

KEY = "transfer"  # of the JSON text in ONNX's metadata_props and in OpenVINO's rt_info
JSON, LABELS = "transfer.json", "labels.txt"  # its name, and the labels', in a zip archive


def about(head):
    """What a user needs to feed the file and read its answer, as a dict of plain values.

    title: a line for people; classes: names, in the order of the probabilities; image: how any
    picture becomes the input (the EXIF turn applied, cut to its centre square where `crop` is
    centre, resized by Pillow's `kernel` to `size` pixels a side); the views that `recipe` lists are
    the file's own work; precision: of the numbers in the
    file, whatever that of the recipe; recipe, net, dataset, kind, options: where the head comes
    from.
    """
    recipe = head.recipe
    return {
        "title": trained.title(head),
        "classes": list(head.classes),
        "image": {
            "colours": "RGB",
            "crop": recipe["crop"],
            "kernel": recipe["resize"],
            "size": recipe["size"],
            "values": "uint8",
        },
        "precision": "f32",
        "kind": head.kind,
        "options": head.options,
        "net": head.net,
        "dataset": head.dataset,
        "recipe": recipe,
    }


def text(head):
    """`about` as one line of ASCII JSON, equal for equal heads."""
    return json.dumps(about(head), sort_keys=True)


def zipped(head, before=b"", entries=None):
    """bytes: `before`, then a zip archive of `entries` {name: bytes}, the JSON text and the labels.

    Stored and without dates.  A reader of zip archives finds it whatever stands before; that is how
    TensorFlow Lite's files carry what belongs to them
    (ai.google.dev/edge/litert/conversion/tensorflow/metadata).
    """
    lines = "".join(" ".join(name.splitlines()) + "\n" for name in head.classes)
    own = {JSON: text(head).encode() + b"\n", LABELS: lines.encode()}
    file = io.BytesIO(before)
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in ((entries or {}) | own).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()
