"""`python -m transfer mirror`: what a machine without internet needs, brought, checked, listed."""

import fcntl
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.command_line import command
from tests.imports import ROOT
from tests.servers import Ranged, serving
from transfer import catalogue
from transfer.downloads import manifests, mirrors
from transfer.downloads.files import UNKNOWN
from transfer.downloads.kept import store_folder

ARCHIVE = b"an archive " * 900
LABELS = b"its labels"


def weights():
    """The bytes of a file of 30 parameters, as cards for .npy mean it."""
    held = io.BytesIO()
    layer = [np.ones((3, 9), np.float32), np.zeros(3, np.float32)]
    np.save(held, np.array({"fc": layer}, dtype=object), allow_pickle=True)
    return held.getvalue()


WEIGHTS = weights()

CARD = """\
builder: squeezenet
weights:
  - {{name: other.npy, licence: none}}
  - {{name: lost.npy, url: {base}/lost.npy, sha256: {lost}, licence: none}}
  - {{name: w.npy, url: ['{base}/gone', '{base}/w.npy'], sha256: {weights}, licence: BSD}}
size: 32
resize: bilinear
pixels: {{order: RGB, mean: [0, 0, 0], divisor: 1}}
layer: fc
features: 3
parameters: 30
"""
SOURCE = """\
licence: free for research
layout: class_folders
files:
  - {{name: signs.zip, url: {base}/signs.zip, md5: {archive}, size: {size}}}
  - {{name: labels.csv, url: {base}/labels.csv, sha256: {labels}}}
"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def answers(**more):
    return {"/w.npy": WEIGHTS, "/signs.zip": ARCHIVE, "/labels.csv": LABELS} | more


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A folder of `tmp_path` that has params.yaml, the card `net` and the dataset `signs`, whose
    addresses are those of the server that `described` is given."""
    folder = tmp_path / "workspace"
    (folder / "models/cards").mkdir(parents=True)
    (folder / "data/datasets/signs").mkdir(parents=True)
    (folder / "data/datasets/drawn").mkdir()
    (folder / "data/datasets/drawn/source.yaml").write_text("render: {}\n")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(folder)
    return folder


def described(folder, base):
    given = {
        "base": base,
        "lost": "f" * 64,
        "weights": sha256(WEIGHTS),
        "archive": hashlib.md5(ARCHIVE).hexdigest(),
        "size": len(ARCHIVE),
        "labels": sha256(LABELS),
    }
    (folder / "models/cards/net.yaml").write_text(CARD.format(**given))
    (folder / "data/datasets/signs/source.yaml").write_text(SOURCE.format(**given))


def made(folder, *words):
    """(status, lines, sentence) of `mirror M WORDS` in `folder`."""
    code, out, err = command("mirror", "M", *words, cwd=folder)
    return code, out.splitlines(), err


def stage(name, *words, mirror):
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TRANSFER_MIRROR": str(mirror)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_mirror_is_made_and_the_stages_run_from_it_alone(workspace, monkeypatch):
    with serving(answers()) as (base, log):
        described(workspace, base)
        code, lines, err = made(workspace, "--net", "net", "--dataset", "signs", "drawn")
    total = len(WEIGHTS) + len(ARCHIVE) + len(LABELS)
    assert (code, err) == (0, "")
    assert lines == [
        "drawn: no file to mirror, it is rendered",
        f"w.npy: {len(WEIGHTS):,} bytes, brought; licence: BSD",
        f"signs.zip: {len(ARCHIVE):,} bytes, brought; licence: free for research",
        f"labels.csv: {len(LABELS):,} bytes, brought; licence: free for research",
        f"3 files, {total:,} bytes in M, 3 brought now",
    ]
    assert log == ["/lost.npy", "/gone", "/w.npy", "/signs.zip", "/labels.csv"]
    mirror = workspace / "M"
    held = {"labels.csv": LABELS, "signs.zip": ARCHIVE, "w.npy": WEIGHTS}
    assert sorted(path.name for path in mirror.iterdir()) == ["SHA256SUMS", *held]
    assert {name: (mirror / name).read_bytes() for name in held} == held
    text = "".join(f"{sha256(data)}  {name}\n" for name, data in held.items())
    assert (mirror / "SHA256SUMS").read_text() == text

    # The server is gone.
    raw = ["--source", "data/datasets/signs", "--raw", "data/raw/signs"]
    ran = stage("fetch_data", *raw, mirror=mirror)
    assert ran.stdout == "fetch_data: signs: published\n", ran.stderr
    paths = ["--card", "models/cards/net.yaml", "--weights", "models/weights/net"]
    ran = stage("fetch_weights", *paths, mirror=mirror)
    assert ran.stdout == "fetch_weights: net: published\n", ran.stderr
    assert (workspace / "models/weights/net/w.npy").read_bytes() == WEIGHTS
    assert manifests.weights_of(workspace / "models/weights/net") == sha256(WEIGHTS)
    assert (workspace / "data/raw/signs/signs.zip").read_bytes() == ARCHIVE


def test_what_is_whole_stays_and_what_is_damaged_is_brought_anew(workspace):
    with serving(answers()) as (base, log):
        described(workspace, base)
        made(workspace, "--all")
        before = (workspace / "M/SHA256SUMS").read_bytes()
        log.clear()
        code, lines, _ = made(workspace, "--all")
        assert (code, log) == (0, [])
        assert [line.split("; ")[0].split(", ")[-1] for line in lines[1:-1]] == ["was here"] * 3
        assert lines[-1].endswith("0 brought now")

        (workspace / "M/signs.zip").write_bytes(ARCHIVE[:-1] + b"?")
        (workspace / "M/SHA256SUMS").unlink()
        code, lines, _ = made(workspace, "--all")
        assert (code, log) == (0, ["/signs.zip"])
        assert (workspace / "M/signs.zip").read_bytes() == ARCHIVE
        assert (workspace / "M/SHA256SUMS").read_bytes() == before


def test_what_fails_is_told_and_the_rest_is_kept(workspace):
    with serving(answers(**{"/signs.zip": b"another archive"})) as (base, _):
        described(workspace, base)
        code, lines, err = made(workspace, "--net", "net", "--dataset", "signs")
    assert code == 1
    told, last = err.splitlines()
    assert told.startswith("error: signs.zip can't be had from http://")
    assert told.endswith(f"(it has 15 bytes, expected {len(ARCHIVE):,})")
    assert last == (
        "error: 1 of 3 files are not in M, for the reasons above; name a mirror that has them by "
        "`mirror` in params.yaml or $TRANSFER_MIRROR, or give the same command later: it brings "
        "these alone"
    )
    assert lines[-1].startswith("2 files, ")
    assert set(mirrors.find(str(workspace / "M")).sums) == {"labels.csv", "w.npy"}
    assert not (workspace / "M/signs.zip").exists()


def test_a_licence_that_nobody_states_is_unknown_as_in_sources(workspace):
    with serving(answers()) as (base, _):
        described(workspace, base)
        source = workspace / "data/datasets/signs/source.yaml"
        source.write_text(source.read_text().replace("licence: free for research\n", ""))
        lines = made(workspace, "--dataset", "signs")[1]
    assert lines[0].endswith(f"; licence: {UNKNOWN}")
    assert catalogue.UNKNOWN is UNKNOWN


def test_a_file_of_no_known_hash_is_not_mirrored(workspace):
    with serving(answers()) as (base, log):
        described(workspace, base)
        source = workspace / "data/datasets/signs/source.yaml"
        source.write_text(source.read_text().replace("md5", "licence"))
        assert "unknown key 'licence'" in made(workspace, "--all")[2]
        text = SOURCE.replace("md5: {archive}, ", "").format(
            base=base, size=len(ARCHIVE), labels=sha256(LABELS)
        )
        source.write_text(text)
        code, _, err = made(workspace, "--dataset", "signs")
    assert code == 1
    assert "python -m transfer pin signs" in err
    assert log == ["/labels.csv"]


def test_what_is_named_is_checked_before_anything_is_brought(workspace):
    with serving(answers()) as (base, log):
        described(workspace, base)
        code, _, err = made(workspace, "--net", "net", "nat")
        assert (code, err) == (1, "error: unknown net 'nat'; known: net\n")
        code, _, err = made(workspace, "--net", "net", "--dataset", "sign")
        assert (code, err) == (1, "error: unknown dataset 'sign'; known: signs, drawn\n")
        code, _, err = made(workspace)
        assert (code, err) == (
            1,
            "error: nothing is named to mirror; add --net, --dataset or --all\n",
        )
        assert log == []
    assert not (workspace / "M").exists()


def test_lines_of_others_stay_and_their_own_files_are_not_replaced(workspace):
    mirror = workspace / "M"
    mirror.mkdir()
    (mirror / "signs.zip").write_bytes(b"a part of it")
    sums = f"{'1' * 64}  zebra.bin\n{sha256(b'a part of it')}  signs.zip\n"
    (mirror / "SHA256SUMS").write_text(sums)
    with serving(answers()) as (base, _):
        described(workspace, base)
        code, lines, _ = made(workspace, "--dataset", "signs")
    assert code == 0
    assert lines[0].startswith("signs.zip: 12 bytes, was here, not the published file; licence: ")
    assert (mirror / "signs.zip").read_bytes() == b"a part of it"
    assert set(mirrors.find(str(mirror)).sums) == {"labels.csv", "signs.zip", "zebra.bin"}


def test_nets_that_list_the_same_file_ask_for_it_once(workspace):
    with serving({}) as (base, log):
        described(workspace, base)
        (workspace / "models/cards/same.yaml").write_text(
            (workspace / "models/cards/net.yaml").read_text()
        )
        code, _, err = made(workspace, "--net", "net", "same")
    assert (code, log) == (1, ["/lost.npy", "/gone", "/w.npy"])
    assert [line.partition(" files")[0] for line in err.splitlines()][1:] == ["error: 1 of 1"]


def test_a_damaged_list_is_told_before_anything_is_brought(workspace):
    (workspace / "M").mkdir()
    (workspace / "M/SHA256SUMS").write_text("nonsense\n")
    with serving(answers()) as (base, log):
        described(workspace, base)
        code, out, err = made(workspace, "--all")
    assert (code, out[1:], log) == (1, [], [])
    assert "SHA256SUMS, line 1: expected `sha256  name`, received 'nonsense'" in err


def test_a_mirror_of_a_mirror(workspace, monkeypatch):
    """From a folder and over the web; a mirror that is named and made at once is no source."""
    with serving(answers()) as (base, _):
        described(workspace, base)
        made(workspace, "--all")
    files = {f"/{path.name}": path.read_bytes() for path in (workspace / "M").iterdir()}
    with serving(files) as (base, log):
        for source in (str(workspace / "M"), base):
            monkeypatch.setenv("TRANSFER_MIRROR", source)
            name = f"from-{source[:4].strip('/')}"
            code, _, err = command("mirror", name, "--all", cwd=workspace)
            assert (code, err) == (0, "")
            copied = {f"/{path.name}": path.read_bytes() for path in (workspace / name).iterdir()}
            assert copied == files
    assert log[0] == "/SHA256SUMS"

    monkeypatch.setenv("TRANSFER_MIRROR", str(workspace / "M"))
    (workspace / "M/w.npy").write_bytes(b"damaged")
    with serving(answers()) as (base, log):
        described(workspace, base)
        assert made(workspace, "--net", "net")[0] == 0
    assert log == ["/lost.npy", "/gone", "/w.npy"]
    assert (workspace / "M/w.npy").read_bytes() == WEIGHTS


def test_a_file_that_the_store_has_is_copied(workspace):
    kept = store_folder() / "downloads" / f"sha256-{sha256(LABELS)}"
    kept.parent.mkdir()
    kept.write_bytes(LABELS)
    with serving(answers()) as (base, log):
        described(workspace, base)
        made(workspace, "--dataset", "signs")
    assert log == ["/signs.zip"]
    assert not (workspace / "M/labels.csv").samefile(kept)
    # What was downloaded takes its room once.
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_a_kill_leaves_a_mirror_that_can_be_used_and_is_gone_on_with(workspace):
    answer, reached, go = Ranged(ARCHIVE), threading.Event(), threading.Event()

    def stops(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(ARCHIVE)))
        handler.end_headers()
        handler.wfile.write(ARCHIVE[:4000])
        reached.set()
        go.wait(30)

    with serving(answers(**{"/signs.zip": [stops, answer]})) as (base, _):
        described(workspace, base)
        words = [sys.executable, "-m", "transfer", "mirror", "M", "--all"]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(words, cwd=workspace, env=env, stdout=subprocess.DEVNULL) as killed:
            assert reached.wait(20)
            (part,) = until_there(workspace / "M", ".signs.zip.*.part", 4000)
            killed.send_signal(signal.SIGKILL)
        go.set()
        assert set(mirrors.find(str(workspace / "M")).sums) == {"w.npy"}
        code, lines, _ = made(workspace, "--all")
    assert code == 0
    assert lines[-1].endswith("2 brought now")
    assert answer.asked == ["bytes=4000-"]
    assert not part.exists()


def test_what_was_left_of_files_that_nobody_asks_for_is_removed(workspace):
    mirror = workspace / "M"
    mirror.mkdir()
    abandoned = mirror / f".old.npy.{'0' * 64}.part"
    held = mirror / f".held.npy.{'1' * 40}.part"
    mine = mirror / f".labels.csv.{sha256(LABELS)}.part"
    copying = mirror / f".a.npy.{ended()}.part"
    others = [
        mirror / f".b.npy.{os.getpid()}.part",
        mirror / ".mine.part",
        mirror / f".{'2' * 64}.part",
        mirror / "x.part",
    ]
    for path in (abandoned, held, copying, *others):
        path.write_bytes(b"four")
    mine.write_bytes(LABELS[:4])
    answer = Ranged(LABELS)
    with serving(answers(**{"/labels.csv": answer})) as (base, _), held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        described(workspace, base)
        code, lines, err = made(workspace, "--dataset", "signs")
        assert (code, err) == (0, "")
        assert sorted(lines[:2]) == [
            f"{path.name}: 4 bytes that a killed process left, removed"
            for path in (copying, abandoned)
        ]
        assert answer.asked == ["bytes=4-"]
        assert not abandoned.exists()
        assert not copying.exists()
        assert all(path.exists() for path in (held, *others))
    assert len(made(workspace, "--dataset", "drawn")[1]) == 3
    assert not held.exists()


def ended():
    """The number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def until_there(folder, pattern, size):
    """The files of that pattern and size, once there are any."""
    for _ in range(500):
        found = [path for path in folder.glob(pattern) if path.stat().st_size == size]
        if found:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"no {pattern} came")


def test_two_at_once_make_one_mirror(workspace):
    with serving(answers()) as (base, _):
        described(workspace, base)
        words = [sys.executable, "-m", "transfer", "mirror", "M"]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        running = [
            subprocess.Popen([*words, *more], cwd=workspace, env=env, stdout=subprocess.DEVNULL)
            for more in (["--net", "net"], ["--dataset", "signs"], ["--all"])
        ]
        assert [process.wait() for process in running] == [0, 0, 0]
    sums = mirrors.find(str(workspace / "M")).sums
    assert sorted(path.name for path in (workspace / "M").iterdir()) == ["SHA256SUMS", *sums]
    assert set(sums) == {"labels.csv", "signs.zip", "w.npy"}


def test_the_names_of_imagenets_classes_come_with_a_net_that_has_classes(workspace, monkeypatch):
    """They have one public address, which a test asks nothing of: a mirror stands in."""
    names = b'{"0": ["n01440764", "tench"]}'
    held = {"imagenet_class_index.json": names, "w.npy": WEIGHTS, "top.npy": LABELS}
    source = workspace / "source"
    source.mkdir()
    for name, data in held.items():
        (source / name).write_bytes(data)
    sums = "".join(f"{sha256(data)}  {name}\n" for name, data in held.items())
    (source / "SHA256SUMS").write_text(sums)
    monkeypatch.setenv("TRANSFER_MIRROR", str(source))
    described(workspace, "http://127.0.0.1:9")
    card = workspace / "models/cards/net.yaml"
    top = "classifier: {layer: prob, weights: {name: top.npy, licence: MIT}, parameters: 1}\n"
    card.write_text(card.read_text() + top)
    code, lines, err = made(workspace, "--net", "net")
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in lines[:-1]] == [
        "w.npy",
        "top.npy",
        "imagenet_class_index.json",
    ]
