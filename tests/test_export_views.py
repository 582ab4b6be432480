"""Exports of heads on several views: each file alone averages over what extraction computes."""

import numpy as np
import pytest

from tests.test_export import RUN, TINY, build, contents, features, three_images, tiny, write_head
from transfer.errors import InputError
from transfer.features import rules
from transfer.features.views import VIEWS
from transfer.nets import cards, networks
from transfer.serving.exports import keras_views, openvino_views
from transfer.serving.exports.export import FORMATS, TOLERANCE, export

SEVERAL = ["contrast", "plain", "flipped"]
NETS = {"tiny": SEVERAL, "mini": ["contrast"]}  # tiny has a dense layer, and channels in BGR


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """{net: (models folder, Head)} of heads on the views of `NETS`."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.OWN, "tiny", tiny)
        patch.setattr(networks, "DENSE", (*networks.DENSE, "tiny"))
        for net, names in NETS.items():
            models = tmp_path_factory.mktemp(net)
            text = TINY if net == "tiny" else (cards.CARDS / f"{net}.yaml").read_text()
            card = build(models, text, net)
            parts = ["norm1:3", "fc"] if net == "tiny" else ["block2:2"]
            constants = rules.of(names)
            made[net] = models, write_head(models, card, parts, views=names, rules=constants)
        yield made


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("net", NETS)
def test_the_file_gives_the_mean_over_the_views(nets, net, to, tmp_path):
    models, head = nets[net]
    images = three_images(head.recipe["size"])
    images[2] = 200  # a single grey
    rows = tuple(
        features(models, head.recipe, net, np.stack([VIEWS[name](one) for one in images]))
        for name in head.recipe["views"]
    )
    expected = head.probabilities(rows)
    assert expected.std(axis=0).max() > 0.05  # else no fault would show
    for view in rows[1:]:
        assert np.abs(head.probabilities((view,)) - expected).max() > 0.02
    out = tmp_path / f"exported{FORMATS[to]}"
    export(to, out, models / "head.npz", models)
    np.testing.assert_allclose(RUN[to](out, images), expected, atol=TOLERANCE)
    for n in range(3):
        found = RUN[to](out, images[n : n + 1])
        np.testing.assert_allclose(found, expected[n : n + 1], atol=TOLERANCE)
    before = contents(out)
    export(to, out, models / "head.npz", models)
    assert contents(out) == before


@pytest.mark.parametrize(
    ("to", "table"),
    [("onnx", openvino_views), ("openvino", openvino_views), ("keras", keras_views)],
)
@pytest.mark.parametrize("name", ["contrast", "flipped"])
def test_a_view_that_is_another_than_extractions_is_not_written(
    nets, to, table, name, tmp_path, monkeypatch
):
    models, _ = nets["tiny"]
    monkeypatch.setitem(table.VIEWS, name, table.VIEWS["plain"])
    with pytest.raises(InputError, match="file would give other probabilities than"):
        export(to, tmp_path / f"a{FORMATS[to]}", models / "head.npz", models)
    assert not list(tmp_path.iterdir())
