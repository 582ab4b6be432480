from collections import Counter

from tests.imports import ROOT
from transfer.datasets import sources, survey
from transfer.datasets.reading import readers

TWICE = "15922772266_1167a06620.jpg"  # as the publisher has it: in roses and in tulips


def test_the_mirrors_flowers(mirror):
    source = sources.load(ROOT / "data" / "datasets" / "flowers")
    assert (source.archives, source.flip) == (("flower_photos.tgz",), True)
    draw = {"by": "group", "per_class": 100, "validation": None, "test": None, "seed": 0}
    found, notes = survey.build(readers.read(source, None, mirror), source, strict=False, **draw)
    rows = list(found)
    assert len(rows) == 750
    labels = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
    counts = Counter((row.label, row.split) for row in rows)
    for label in labels:
        lost = label in ("roses", "tulips")
        assert [counts[label, part] for part in ("train", "validation", "test", "")] == [
            100 - lost,
            25,
            25,
            int(lost),
        ]
    assert sum(counts.values()) == sum(n for (label, _), n in counts.items() if label in labels)
    assert {row.id: row.problem for row in rows if row.problem} == {
        f"roses/{TWICE}": f"the same image stands under another label: tulips (tulips/{TWICE})",
        f"tulips/{TWICE}": f"the same image stands under another label: roses (roses/{TWICE})",
    }
    assert notes == [
        "flowers knows no tracks: split.by group keeps only copies and near-duplicates together",
        "2 classes have fewer than 100 training images and use all they have; the fewest: roses, "
        "99",
    ]
