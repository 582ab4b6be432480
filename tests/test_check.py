"""Stage check: every fault of params.yaml that can be known before the first costly step."""

import pytest
import yaml

from stages import check
from tests.imports import ROOT
from transfer.datasets import sources
from transfer.errors import InputError
from transfer.nets import cards

GIVEN = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what params.yaml may name, and a folder of images of one class."""
    (tmp_path / "models").mkdir()
    (tmp_path / cards.CARDS).symlink_to(ROOT / cards.CARDS)
    (tmp_path / sources.FOLDER / "mine/one").mkdir(parents=True)
    (tmp_path / sources.FOLDER / "mine/one/a.png").write_bytes(b"")
    for name in ("sample", "cifar10"):
        (tmp_path / sources.FOLDER / name).symlink_to(ROOT / sources.FOLDER / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder, **changes):
    given = {**GIVEN, **changes}
    (folder / "params.yaml").write_text(yaml.safe_dump(given))
    check.main(folder / "checked")
    return (folder / "checked").read_text()


def test_whatever_is_right_gives_one_constant_line(here):
    one = run(here)
    assert one.count("\n") == 1
    assert run(here, net="resnet", dataset="cifar10", weights="random") == one


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"net": "minni"}, "unknown net 'minni'; known: mini, "),
        ({"dataset": "smaple"}, "unknown dataset 'smaple'; known: "),
        ({"net": "x'; touch pwned; echo '"}, "net must be a card's name in models/cards"),
        ({"dataset": "mine"}, "mine needs at least two class folders with images; received one"),
        ({"head": GIVEN["head"] | {"kind": "sofmax"}}, "unknown head 'sofmax'; known: softmax, "),
        (
            {"extract": GIVEN["extract"] | {"layers": ["blok2"]}},
            "unknown layer of mini 'blok2'; known: block2, ",
        ),
        ({"extract": GIVEN["extract"] | {"cut": "block2"}}, "extract.cut: activations at a cut"),
        ({"split": GIVEN["split"] | {"validaton": 0.1}}, "unknown key in params.yaml"),
    ],
)
def test_each_fault_is_one_sentence(here, changes, sentence):
    with pytest.raises(InputError) as fault:
        run(here, **changes)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)
    assert not (here / "checked").exists()
