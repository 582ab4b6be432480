"""A small evaluated run on disk: own images, their packs, index and head, and all the reports."""

import numpy as np
from PIL import Image

from stages import evaluate
from tests.examples import blobs, fitted, write_pack
from transfer.datasets import index

CLASSES = "abcd"
PATHS = {
    **{name: f"{name}.p" for name in ("train", "validation", "test")},
    "validation_cut": "validation_cut",  # of a fine-tuned network alone
    "test_cut": "test_cut",
    "head": "models/head.npz",
    "index": "index.csv",
    "raw": "raw",
    "source": "images",
    **{name: f"reports/{name}.csv" for name in ("predictions", "confusion", "recall", "curves")},
    "map": "reports/map.csv",
    "metrics": "reports/metrics.json",
    "mistakes": "reports/mistakes.png",
    "samples": "reports/samples.png",
}
OUTPUTS = [path for path in PATHS.values() if path.startswith("reports/")]


def prepare(folder, classes=CLASSES, test=0, kind="softmax"):
    """The inputs of stage evaluate in `folder`: 70 training, 30 validation and `test` test images,
    of four classes that are told apart with a few mistakes."""
    (folder / "params.yaml").write_text("split: {per_class: 20}\n")
    head = fitted(kind, **({"epochs": 40} if kind == "softmax" else {}))
    head.classes[:] = classes
    (folder / "models").mkdir()
    head.save(folder / "models/head.npz")
    rows = []
    for part, (x, y) in {
        "train": blobs(),
        "validation": blobs(30, seed=1),
        "test": blobs(test, seed=2),
    }.items():
        write_pack(folder / f"{part}.p", x, y, classes=classes)
        for i, label in enumerate(y):
            member = f"{classes[label]}/{part}-{i}.png"
            path = folder / "images" / member
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((8 + i % 5, 12, 3), 40 + 50 * int(label), np.uint8)
            Image.fromarray(pixels).save(path)
            rows.append(index.Row(f"{part}/{i}", member, classes[label], part, f"{part}/{i}", "-"))
    bad = index.Row("bad", f"{classes[0]}/bad.png", classes[0], "", "", "-", "truncated file")
    index.write(folder / "index.csv", [*rows, bad])
    (folder / "raw").mkdir()
    (folder / "raw/manifest.json").write_text('{"origin": "rendered", "files": []}')


def run_stage(folder):
    """{path: bytes} of what stage evaluate writes in `folder`."""
    evaluate.main(**{name: folder / path for name, path in PATHS.items()})
    return {path: (folder / path).read_bytes() for path in OUTPUTS}
