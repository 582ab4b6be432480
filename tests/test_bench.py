"""The benchmarks on tiny inputs: what they measure and print, and never how long it took."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import yaml

from bench import (
    compiled,
    contest,
    extraction,
    finetuning,
    large_pack,
    looks,
    machine,
    plain_tuning,
    predicting,
    preparation,
    probes,
    processes,
    random_images,
    scale,
    squares,
    store,
    table,
    tails,
    workflow,
    workspaces,
)
from bench.processes import CommandError, Finished
from tests.imports import ROOT
from tests.marks import slow
from transfer import params
from transfer.datasets import index, sources
from transfer.datasets.reading import images, readers
from transfer.downloads import manifests
from transfer.errors import InputError
from transfer.features.engine import Engine
from transfer.heads import trained
from transfer.nets import cards, graphs, networks
from transfer.nets.conversion import convert
from transfer.nets.layers import chosen_layers
from transfer.packs import reader

GENOA = "model name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16 avx512f avx512_vnni\n"
SAPPHIRE = "flags\t\t: avx512f amx_bf16 avx2 amx_tile\n"


def python(code, **how):
    return processes.run([sys.executable, "-c", code], cwd=ROOT, **how)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234"),
        (123.456, "123"),
        (1.234, "1.23"),
        (0.012345, "0.0123"),
        (-2.5, "-2.50"),
        (1_000_000, "1,000,000"),
        (0.0, "0"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert table.number(value) == text


def test_a_table_is_markdown_and_a_row_of_other_length_is_refused():
    assert table.markdown(("a", "b"), [("x", 0.5)]) == "| a | b |\n| --- | --- |\n| x | 0.500 |"
    with pytest.raises(ValueError, match="expected 2 cells, received 1"):
        table.markdown(("a", "b"), [("x",)])


def test_medians_tell_their_spread():
    assert table.spread([3.0, 1.0, 2.0]) == "2.00 (1.00-3.00)"
    assert table.spread([3.0]) == "3.00"
    assert table.geometric_mean([2.0, 8.0]) == pytest.approx(4)


def test_the_head_of_a_table_names_the_machine_and_the_command():
    head = table.head("bench.scale", ["--counts", "10", "a b"])
    assert "\n    python -m bench.scale --counts 10 'a b'\n" in head
    assert f"{machine.cores()} cores" in head
    assert "openvino 20" in head


def test_instruction_sets_decide_the_kind_of_cpu():
    assert machine.instruction_sets(GENOA) == ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"]
    assert machine.kind(GENOA) == "AVX-512 alone"
    assert machine.kind(SAPPHIRE) == "AMX"
    assert machine.kind("flags : avx2\n") == "neither AMX nor AVX-512"


def test_a_command_is_measured_with_what_its_children_took():
    child = "x = bytearray(60_000_000); import time; time.sleep(0.5); sum(range(3_000_000))"
    found = python(
        f"import subprocess, sys; print('out'); subprocess.run([sys.executable, '-c', {child!r}])",
        watched=True,
    )
    assert found.out == "out\n"
    assert found.seconds > 0.5
    assert found.cpu > 0
    assert 60e6 < found.peak < 150e6
    assert python("pass").peak == 0


def test_mapped_files_are_not_counted(tmp_path):
    np.save(tmp_path / "large.npy", np.zeros(10_000_000))
    read = f"import numpy as np, time; a = np.load({str(tmp_path / 'large.npy')!r}, mmap_mode='r')"
    assert python(f"{read}; a.sum(); time.sleep(0.2)", watched=True).peak < 60e6


def test_a_command_that_fails_is_told_by_its_last_line():
    with pytest.raises(CommandError, match=r"^`python -c .* \.\.\.`: error: no such net$"):
        python("import sys; print('first', file=sys.stderr); sys.exit('error: no such net')")


def test_a_limit_is_set_before_the_command_starts():
    def limit():
        large_pack.resource.setrlimit(large_pack.resource.RLIMIT_DATA, (2**28, 2**28))

    python("bytearray(100_000_000)", before=limit)
    with pytest.raises(CommandError, match="MemoryError"):
        python("bytearray(1_000_000_000)", before=limit)


def test_commands_are_those_of_dvc_yaml_with_every_value_put_in():
    tree = workspaces.parameters({"net": "vgg", "dataset": "it", "split.per_class": "all"})
    for stage in workspaces.stages():
        words = workspaces.command(stage, tree)
        assert words[:3] == [sys.executable, "-m", f"stages.{stage}"]
        assert "$" not in " ".join(words)
    words = workspaces.command("extract", tree)
    assert "data/bottlenecks/vgg_it_all_bottleneck_features_train.p" in words
    with pytest.raises(InputError, match=r"unknown key of params.yaml 'split\.pre_class'; known: "):
        workspaces.parameters({"split.pre_class": 3})


def test_the_plain_settings_leave_nothing_of_extract_to_the_repository():
    asked = {key for key in params.KEYS if key.startswith("extract.")}
    assert {*preparation.PLAIN, "extract.precision"} == asked


def test_every_default_names_what_is_here():
    given = extraction.parser().parse_args([])
    assert set(given.nets) <= set(cards.known(ROOT / cards.CARDS))
    assert set(given.datasets) <= set(sources.known(ROOT / sources.FOLDER))
    assert {"bf16", "f32"} <= set(extraction.known(given.precisions))


def test_an_unknown_precision_is_told_and_left_out(capsys):
    assert extraction.known(["fp8", "f32"]) == ["f32"]
    assert capsys.readouterr().err.startswith("fp8 is left out: extract.precision is one of ")
    with pytest.raises(CommandError, match="no precision is left to measure"):
        extraction.known(["fp8"])


@pytest.fixture
def space(tmp_path):
    return workspaces.made(tmp_path / "workspace")


def read(space, name, members=None):
    source = sources.load(space.folder / sources.FOLDER / name)
    raw = space.folder / "data/raw" / name
    return list(readers.read(source, space.folder / sources.FOLDER / name, raw, members))


@pytest.mark.parametrize("layout", random_images.LAYOUTS)
def test_random_pictures_are_equal_on_every_run_and_a_larger_set_holds_a_smaller(space, layout):
    for name, count in (("few", 20), ("again", 20), ("more", 30)):
        random_images.dataset(space.folder, name, count, layout)
    few, again, more = (
        {images.digest(image): image for image in read(space, name)}
        for name in ("few", "again", "more")
    )
    assert list(few) == list(again)
    assert len(few) == 20
    assert set(few) < set(more)
    assert len(more) == 30
    assert len({image.label for image in few.values()}) == random_images.CLASSES
    for image in few.values():
        assert images.pixels(image).shape == (32, 32, 3)


def test_a_dataset_is_indexed_and_thinned_evenly(space, tmp_path):
    random_images.dataset(space.folder, "random", 40, "pickled")
    settings = preparation.ALL | {"dataset": "random"}
    space.stage("index", settings, tmp_path / "store")
    rows = list(index.read(space.at(preparation.INDEX, settings)))
    assert len(rows) == 40
    assert preparation.choose(space, "random", rows, 10) == 10
    chosen = list(index.read(space.at(preparation.INDEX, settings)))
    assert chosen == rows[::4]
    assert preparation.choose(space, "random", rows, 50) == 40
    preparation.choose(space, "random", rows, 10)
    paths = preparation.paths(space, {"net": "mini", "dataset": "random"})
    given = (paths["source"], paths["raw"], paths["index"], cards.load(paths["card"]))
    found = list(squares.of_index(*given))
    assert len(found) == 10
    assert {square.shape for square in found} == {(96, 96, 3)}


def test_a_dataset_that_cant_be_had_is_told_and_the_sample_takes_its_place(
    space, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TRANSFER_MIRROR", str(tmp_path / "nowhere"))
    monkeypatch.setattr(preparation, "indexed", lambda space, name, store: ([name], 1.0))
    fetched = preparation.fetched  # the sample takes long to render
    monkeypatch.setattr(
        preparation, "fetched", lambda space, name: name == "sample" or fetched(space, name)
    )
    assert preparation.available(space, ["cifar10"], tmp_path) == {"sample": (["sample"], 1.0)}
    told = capsys.readouterr().err
    assert re.fullmatch(r"cifar10 is left out: .*the mirror .*nowhere can't be used: .*\n", told)


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """(card, folder of its weights, folder of its backbone)."""
    folder = tmp_path_factory.mktemp("bench")
    card = cards.load(ROOT / cards.CARDS / "mini.yaml")
    (folder / "weights").mkdir()
    manifests.write(folder / "weights", "untrained", seed=0)
    convert(card, folder / "weights", folder / "backbone")
    return card, folder / "weights", folder / "backbone"


def test_keras_computes_the_features_that_ours_does(mini):
    card, weights, backbone = mini
    squares = np.random.default_rng(0).integers(0, 256, (16, card.size, card.size, 3), np.uint8)
    layers = chosen_layers(card, "card")
    engine = Engine(graphs.open_pooled(backbone, layers, card.size, 16), "f32")
    ((_, ours),) = engine.stream([(list(range(16)), squares)])
    theirs = predicting.network(card, weights).predict(squares, verbose=0)
    assert theirs.shape == (16, card.features)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_compiled_network_alone_tells_its_time_as_json(mini, capsys):
    _, weights, backbone = mini
    words = ["--card", str(ROOT / "models/cards/mini.yaml"), "--backbone", str(backbone)]
    words += ["--weights", str(weights), "--precision", "f32", "--seconds", "0.01"]
    compiled.main(words)
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["precision"] == "f32"
    assert found["images"] >= compiled.DISTINCT * 16
    assert found["cpu"] > 0


def test_few_pictures_fill_a_batch_and_many_come_in_whole_ones():
    few = np.arange(3)
    np.testing.assert_array_equal(predicting.repeated(few, 8), [0, 1, 2, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(predicting.repeated(np.arange(11), 4), np.arange(8))


def test_contestants_take_turns_in_rounds_of_as_many_pictures_as_their_speed_asks_for(monkeypatch):
    asked = []

    def call(space, module, settings, names, options=None):
        asked.append((module, settings["dataset"], *(options or {}).items()))
        return {
            "predicting": {"images": 96, "rates": {str(b): 10.0 * b for b in (8, 16, 64, 32)}},
            "compiled": {"images": 80, "seconds": 2.0, "cpu": 4.0, "precision": "f32"},
            "decoding": {"images": 100, "cpu": 1.0},
        }[module]

    def extraction(space, settings, precision):
        asked.append(("ours", settings["dataset"], precision))
        return Finished(2.0, 3.0, 0, "")

    monkeypatch.setattr(preparation, "call", call)
    monkeypatch.setattr(contest, "_extraction", extraction)
    monkeypatch.setattr(preparation, "net", lambda space, net, precisions: "untrained")
    monkeypatch.setattr(preparation, "choose", lambda space, name, rows, n: min(n, len(rows)))
    datasets = {"large": (range(10_000), 1.0), "small": (range(100), 1.0)}
    how = {"seconds": 8.0, "images": None, "repeats": 2}
    found = contest.run(None, "vgg", datasets, ["bf16", "f32"], **how)
    assert (found.weights, found.batch, found.images) == ("untrained", 64, 96)
    assert {key: f.images for key, f in found.figures.items()} == {
        ("large", "bf16"): 320,  # 8 s of 40 a second
        ("small", "bf16"): 100,
        ("large", "f32"): 320,
    }
    assert {len(figures.ours) for figures in found.figures.values()} == {2}
    assert found.figures["large", "bf16"].ours == [160.0, 160.0]
    assert found.figures["large", "f32"].network == [50.0, 50.0]
    one_round = [
        ("predicting", "large", ("images", 5120), ("batches", [64])),
        ("compiled", "large", ("precision", "bf16"), ("seconds", 2.0)),
        ("ours", "large", "bf16"),  # start-up
        ("ours", "large", "bf16"),
        ("decoding", "large"),
        ("ours", "small", "bf16"),
        ("decoding", "small"),
        ("compiled", "large", ("precision", "f32"), ("seconds", 2.0)),
        ("ours", "large", "f32"),
        ("ours", "large", "f32"),
        ("decoding", "large"),
    ]
    assert asked[3:] == 2 * one_round


def test_the_row_of_a_contest_divides_by_keras_by_bare_and_by_the_bound(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    figures = contest.Figures(
        images=160,
        precision="f32",
        ours=[90.0, 80.0, 100.0],
        keras=[45.0] * 3,
        bare=[100.0] * 3,
        network=[18.0] * 3,
        decode=[2.0] * 3,
        extract=[23.0] * 3,
        start=[1.0, 1.2, 1.4],
    )
    outcome = contest.Outcome("untrained", 32, 96, {})
    cells = extraction.row("vgg", "flowers", "bf16", figures, outcome)
    assert len(cells) == len(extraction.COLUMNS)
    found = dict(zip(extraction.COLUMNS, cells, strict=True))
    assert found["ours, images/s"] == "90.0 (80.0-100)"
    assert found["ours / Keras"] == pytest.approx(2)
    assert found["of bare"] == pytest.approx(0.9)
    assert found["of bound"] == pytest.approx(0.9)  # 2 cores / 20 ms
    assert found["precision"] == "bf16 (runs f32)"
    assert found["Keras f32, images/s"] == "45.0 (45.0-45.0)"
    assert found["of Keras: images, batch"] == "96, 32"


def test_a_verdict_gives_the_goal_of_this_kind_of_cpu():
    ratios = {"vgg": 2.0, "resnet": 8.0}
    found = extraction.verdict("bf16", ratios, "AVX-512 alone")
    assert found.startswith(
        "bf16: 2.00 times Keras at least (vgg; goal 1.9), 4.00 in the geometric"
    )
    assert found.endswith("of 2 nets (goal 2.3).")
    assert "goal" not in extraction.verdict("bf16", ratios, "neither AMX nor AVX-512")


def test_the_speed_of_the_network_that_ships_is_told_beside_its_goal():
    speeds = {"cifar10": 2000.0, "flowers": 700.0}
    found = extraction.speed("bf16", speeds, "AVX-512 alone")
    assert found == (
        "mini: images/s end to end in bf16: 2,000 on cifar10, 700 on flowers; goal 600."
    )
    assert "goal" not in extraction.speed("bf16", speeds, "neither AMX nor AVX-512")


def test_the_card_of_the_large_runs_is_of_the_network_as_it_is(tmp_path):
    (tmp_path / "tiny.yaml").write_text(scale.CARD)
    card = cards.load(tmp_path / "tiny.yaml")
    model = networks.build(card)
    assert model.get_layer(card.layer).output.shape[-1] == card.features


def test_the_slope_of_memory_is_between_neighbours():
    runs = [(1000, Finished(2.0, 1.0, 50_000_000, "")), (3000, Finished(4.0, 1.0, 50_400_000, ""))]
    first, second = scale.stage_rows("train", runs)
    assert first == ("train", 1000, 2.0, 2000.0, 50.0, "")
    assert second[-1] == pytest.approx(200)


def test_what_the_store_saves_is_counted_without_start_up():
    runs = {
        "start-up, new pictures": (16, 16, [1.0]),
        "all new": (1000, 1000, [11.0]),
        "start-up, kept pictures": (16, 0, [0.5]),
        "all kept": (1000, 0, [0.9]),
        "a second dataset, 1 % of it new": (1010, 10, [1.2]),
    }
    told = store.verdict(runs)
    assert "1 % new pictures cost 2.0 % of a full extraction" in told
    assert "reading back is 25.0 times as fast" in told
    rows = list(store.rows(runs))
    assert {len(row) for row in rows} == {len(store.COLUMNS)}
    assert (
        store.computed("of 1,010 pictures 1,000 came from the store, 1,010 were computed") == 1010
    )
    with pytest.raises(CommandError, match="does not say"):
        store.computed("extract: done")


def test_a_pack_larger_than_memory_is_written_as_a_pack(tmp_path):
    large_pack.write(tmp_path / "a.p", 50, seed=0)
    large_pack.write(tmp_path / "b.p", 20, seed=1)
    pack, other = reader.read(tmp_path / "a.p"), reader.read(tmp_path / "b.p")
    assert pack.features.shape == (50, large_pack.LENGTH)
    assert len(np.unique(pack.features, axis=0)) == 50
    trained.require_same_source(pack, "a.p", other, "b.p")


def test_where_the_disk_is_full_the_large_pack_is_smaller_and_that_is_told(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(machine, "memory", lambda: 10**15)
    assert large_pack._size(tmp_path) == 3 * large_pack.LIMIT
    assert "a pack larger than memory needs 1250000: 3 GB are written" in capsys.readouterr().err
    monkeypatch.setattr(machine, "memory", lambda: 4000)
    assert large_pack._size(tmp_path) == 5000


def test_an_empty_dag_has_the_stages_dependencies_and_outputs_that_are_asked_for(tmp_path):
    sizes = [(1, 2), (0, 1), (3, 1)]
    folder = workflow.empty_dag(tmp_path / "empty", sizes)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"].values()
    assert [workflow.size(stage) for stage in stages] == [(1, 2), (1, 1), (3, 1)]  # with the chain
    repository = workflow.Repository(folder, tmp_path / "store")
    repository.run(*workflow.DVC, "repro")
    written = [name for stage in stages for name in stage["outs"]]
    assert [(folder / name).read_text() for name in written] == [f"{name}\n" for name in written]
    repository.run(*workflow.DVC, "status", "--quiet")  # raises where anything is to be done


def test_all_of_our_stages_dependencies_and_outputs_are_counted():
    sizes = [workflow.size(stage) for stage in workspaces.stages().values()]
    text = (workspaces.ROOT / "dvc.lock").read_text()
    paths = len(re.findall(r"(?m)^    - path: ", text))
    assert sum(deps + outs for deps, outs in sizes) == paths


def test_the_clone_holds_the_project_and_an_edit_of_epochs_changes_that_line_alone(tmp_path):
    folder = workspaces.cloned(tmp_path / "clone")
    repository = workflow.Repository(folder, tmp_path / "store")
    repository.set_head("epochs", 51)
    words = ["git", "diff", "--unified=0", "params.yaml"]
    changed = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"(?m)^[-+] +(.*)$", changed) == ["epochs: auto", "epochs: 51"]
    assert not (folder / "dvc.lock").exists()


@pytest.mark.parametrize("module", ["extraction", "scale", "store", "workflow"])
def test_a_wrong_option_is_refused_at_once(module):
    words = [sys.executable, "-m", f"bench.{module}", "--wrong"]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "unrecognized arguments: --wrong" in run.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_what_is_ended_leaves_no_folder_and_no_traceback(tmp_path, name):
    """SIGINT would be ignored by what a shell starts in the background."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import tempfile, time\nfrom bench import processes\n"
        "def main():\n"
        "    with tempfile.TemporaryDirectory(prefix='bench-'):\n"
        "        print('here', flush=True)\n"
        "        time.sleep(60)\n"
        "processes.command(main)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    assert list(tmp_path.glob("bench-*"))
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + getattr(signal, name), "")
    assert not list(tmp_path.glob("bench-*"))


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_counts_are_whole_numbers_from_1(text):
    with pytest.raises(ValueError, match=r"below 1|invalid literal"):
        processes.positive(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_seconds_are_above_0(text):
    with pytest.raises(ValueError, match=r"above 0|could not convert"):
        processes.above_zero(text)


def test_probes_give_a_row_for_each_net_and_one_without_training(monkeypatch, capsys):
    asked = []

    def run(wanted, root):
        asked.extend(cell.settings for cell in wanted)
        which = 0.25 if wanted[0].settings["weights"] == "random" else 0.75
        return [
            probes.cells.Outcome(
                cell, {"validation": {"accuracy": which + cell.settings["split.seed"] / 10}}
            )
            for cell in wanted
        ]

    monkeypatch.setattr(probes.cells, "run", run)
    probes.main("--nets mini resnet --datasets sample traffic --seeds 0 1".split())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["net", "sample", "traffic by image", "traffic by group"]
    assert [row[0] for row in rows[2:]] == ["mini, untrained", "mini", "resnet"]
    assert set(rows[2][1:]) == {".300 (.250-.350)"}
    assert set(rows[4][1:]) == {".800 (.750-.850)"}
    assert {cell["head.kind"] for cell in asked} == {"auto"}
    assert len(asked) == 3 * 3 * 2


@slow
def test_finetuning_gives_a_row_beside_the_linear_head(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path))
    finetuning.main(
        "--net mini --datasets sample --cut block3 --size 64 --augmented 1 fresh --epochs 1 "
        "--seeds 0 --scratch 1".split()
    )  # fmt: skip
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[1] for row in rows] == [
        "linear", "fine-tuned, 1 augmented views", "fine-tuned, fresh augmented views",
        "from nothing",
    ]  # fmt: skip
    assert rows[0][2:4] == ["-", "-"]
    assert all(float(seconds) > 0 for row in rows[1:3] for seconds in row[2:4])
    assert float(rows[3][3]) > 0
    assert all(re.match(r"\.\d{3} \(", row[4]) for row in rows)
    assert {row[5] for row in rows} == {"-"}


@slow
def test_tails_are_measured_beside_plain_keras(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tails, "EPOCHS", 2)
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path))
    tails.main(
        "--net mini --dataset sample --cut block3 --size 64 --augmented 0 --epochs 2".split()
    )
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows[2:4]] == ["f32", "bf16"]
    (bound,) = {float(row[4]) for row in rows[2:4]}
    front, tail = re.search(r"F = ([\d,]+) and T = ([\d,]+) million", out).groups()
    f, t = int(front.replace(",", "")), int(tail.replace(",", ""))
    assert bound == pytest.approx((f + 3 * t) / (3 * t), rel=0.1)
    for row in rows[2:4]:
        theirs, ours, ratio = (float(cell) for cell in row[1:4])
        assert ratio == pytest.approx(theirs / ours, rel=0.01)
    assert [row[0] for row in rows[6:]] == ["plain Keras, f32", "ours, 0 augmented views"]
    assert all(re.fullmatch(r"0\.\d{3} \(.*-.*\)|1\.000 .*", row[2]) for row in rows[6:])
    assert "The whole factor: " in out


def test_multiply_adds_are_counted_by_layer():
    layers = plain_tuning.layers
    image = layers.Input((None, None, 3))
    x = layers.Conv2D(8, 3, 2, "same", name="cut")(image)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Conv2D(4, 1, name="end")(x)
    network = plain_tuning.keras.Model(image, x)
    front, tail = plain_tuning.multiply_adds(network, "cut", "end", 16)
    assert front == 8 * 8 * 3 * 3 * 3 * 8
    assert tail == 8 * 8 * (3 * 3 * 8 + 8 * 4)


@slow
def test_looks_gives_a_row_for_each_way_of_looking(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(looks, "SECONDS", 0.01)
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path))
    argv = "--net mini --datasets sample --sizes 64 card --heads ridge mlp --seeds 0".split()
    looks.main(argv)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [(row[0], row[3]) for row in rows] == [
        *(("64", "ridge"), ("64", "mlp"), ("card", "ridge"), ("card", "mlp"))
    ]
    assert rows[0][4] == rows[1][4] != rows[2][4]  # images/s of a size
    assert [row[5] == "-" for row in rows] == [False, True, False, True]
    assert all(re.match(r"\.\d{3} \(", row[6]) for row in rows)
