"""What `python -m transfer doctor` tells of a machine and a workspace, broken in each way."""

import contextlib
import dataclasses
import fcntl
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.command_line import command
from tests.imports import ROOT
from transfer.downloads import kept
from transfer.downloads.mirrors import Mirror
from transfer.errors import InputError
from transfer.features import gpus, instructions
from transfer.features.store.database import NAME, Database
from transfer.health import (
    caching,
    disks,
    doctor,
    images,
    interpreter,
    locks,
    packages,
    place,
    processor,
    revision,
    space,
    store,
)
from transfer.health import mirror as supply
from transfer.health import run as runs
from transfer.health.findings import guarded, off, well

NAMES = "python packages params cpu gpu mirror space images dvc locks store git".split()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A folder with what names and values are looked up in, as the current one."""
    folder = tmp_path / "repo"
    folder.mkdir()
    for name in ("params.yaml", "dvc.yaml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("models/cards", "data/datasets"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "models/mini.h5", folder / "models")
    monkeypatch.chdir(folder)
    return folder


def described(**given):
    """The Run of params.yaml with other values, as `dataset="cifar10"`."""
    path = Path("params.yaml")
    lines = path.read_text().splitlines()
    for key, value in given.items():
        (at,) = (i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at] = f"{indent}{key}: {value}"
    path.write_text("\n".join(lines) + "\n")
    return runs.described()


def files(folder):
    return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob("*"))}


# The whole


def test_in_another_folder_one_line_says_where_to_go_and_nothing_is_written(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for names in ((), ("params.yaml", "dvc.yaml", "requirements.txt")):  # another project of DVC
        for name in names:
            (here / name).write_text("stages: {}\n")
        code, out, err = command("doctor", "--json", cwd=here)
        assert (code, err) == (1, "")
        told = json.loads(out)
        assert told["ok"] is False
        assert [(f["name"], f["ok"]) for f in told["findings"]] == [
            ("python", True), ("place", False), ("store", True),
        ]  # fmt: skip
    assert told["findings"][1]["sentence"] == (
        f"{here} is not the repository: it has neither models/cards nor data/datasets"
    )
    assert told["findings"][1]["remedy"] == f"`cd {ROOT}`"
    assert "git init" not in out
    assert len(list(here.iterdir())) == 3


def test_where_the_code_lies_in_no_repository_nobody_is_sent_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place.check(code=tmp_path).remedy == "call it in the repository's root"


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "data/datasets/sample/source.yaml"])
def test_a_pipe_in_place_of_a_file_is_told_and_not_waited_for(dvc, name):
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "state")
    Path(name).unlink()
    os.mkfifo(name)
    said = {finding.name: finding for finding in doctor.examine()}
    words = f"{name} is a pipe, a socket or a device; expected a file: remove it"
    assert [f.sentence for f in said.values() if name in f.sentence + f.remedy] == [words]
    assert said["git"].ok


@pytest.mark.parametrize("end", [b"- path:", b"    hash", b"    hash:", b"    cmd"])
def test_a_dvc_lock_that_a_kill_left_half_written_is_told_as_dvc_takes_it(dvc, end):
    whole = (ROOT / "dvc.lock").read_bytes()
    Path("dvc.lock").write_bytes(whole)
    assert "dvc.lock" not in caching.check().sentence
    Path("dvc.lock").write_bytes(whole[: whole.index(end, len(whole) // 2) + len(end)])
    found = caching.check()
    assert found.sentence.startswith("dvc.lock was left half written")
    assert found.remedy.startswith("`git checkout HEAD -- dvc.lock`")


def test_a_dvc_yaml_that_is_gone_or_damaged_is_told_by_one_line(dvc):
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "state")
    assert caching.check().ok
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").unlink()
    said = {finding.name: finding for finding in doctor.examine()}
    assert said["dvc"] == off(
        "dvc",
        "dvc.yaml is not here, so there is nothing to run",
        "`git checkout HEAD -- dvc.yaml` has it back",
    )
    assert [name for name in said if "dvc.yaml" in said[name].sentence] == ["dvc"]
    assert said["git"].ok
    for damaged, words in [
        (f"{text}  x: [", "is not valid YAML"),
        ("stages: 1\n", "dvc.yaml has no stages"),
        ("a: 1\n", "dvc.yaml has no stages"),
    ]:
        Path("dvc.yaml").write_text(damaged)
        assert words in caching.check().sentence
        assert revision.check().sentence.endswith("read by stages: dvc.yaml")


def test_pipes_among_the_users_own_images(workspace):
    folder = Path("data/datasets/mine")
    (folder / "cat").mkdir(parents=True)
    (folder / "dog").mkdir()
    for name in ("cat/a.png", "dog/b.png"):
        (folder / name).write_bytes(b"")
    (folder / "cat/gone.png").symlink_to("nowhere")
    (folder / "cat/self.png").symlink_to("self.png")
    run = described(dataset="mine")
    assert images.check(run) == well("images", f"{folder}: 4 files, none a pipe or a device")
    os.mkfifo(folder / "dog/.pipe")
    (folder / "cat/zero.png").symlink_to("/dev/zero")
    (folder / "cat/pipe.png").symlink_to("../dog/.pipe")
    found = images.check(run)
    assert not found.ok
    assert found.sentence.startswith(
        f"{folder}/cat/pipe.png, {folder}/cat/zero.png and 1 more: a pipe, a socket or a device, "
        f"which DVC waits for without end"
    )
    assert images.check(described(dataset="sample")).sentence == "sample has none of your own"


def test_in_the_repository_it_is_one_screen_and_leaves_all_as_it_is(workspace):
    before = files(workspace)
    code, out, err = command("doctor", cwd=workspace)
    assert (code, err) == (1, "")  # no .dvc, no git
    lines = out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert [line.split()[1] for line in lines if line[:3] in ("ok ", "OFF")] == NAMES
    assert any(line.startswith("ok   params    mini on sample: block") for line in lines)
    assert lines[-1].endswith("dvc, git")
    assert files(workspace) == before


def test_without_any_package_it_names_them_and_python_is_looked_at_all_the_same():
    run = subprocess.run(
        [sys.executable, "-S", "-m", "transfer", "doctor", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (1, "")
    said = {finding["name"]: finding for finding in json.loads(run.stdout)["findings"]}
    assert said["python"]["ok"]
    assert said["locks"]["ok"]
    assert said["params"]["sentence"] == "the package yaml is not here"
    assert said["params"]["remedy"].startswith("run `make setup` once")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("net: [", "params.yaml, line 1: is not valid YAML: "),
        ("- net", "params.yaml: must be a mapping of keys; received list"),
        ("net: mini\nnte: mini\n", "params.yaml, line 2: unknown key 'nte'; known: net, "),
        ("net: mini\n", "params.yaml lacks the key weights"),
    ],
)
def test_a_params_file_that_is_broken_leaves_the_other_checks(workspace, text, sentence):
    Path("params.yaml").write_text(text)
    said = {finding.name: finding for finding in doctor.examine()}
    assert said["params"].sentence.startswith(sentence)
    assert [name for name in said if said[name].remedy == "mend params first"] == [*doctor.OF_RUN]
    assert said["packages"].sentence
    assert list(said) == NAMES


def test_a_dataset_that_is_no_name_is_a_sentence(workspace):
    with pytest.raises(InputError, match="unknown dataset 'flower'; known: flowers"):
        described(dataset="flower")


def test_all_is_well_exits_by_nothing():
    found = [well("a", "one"), well("b", "two")]
    assert doctor.text(found) == "ok   a         one\nok   b         two\nall is well"
    assert json.loads(doctor.as_json(found))["ok"] is True


def test_lines_are_wrapped_below_their_sentence():
    text = doctor.text([off("space", "word " * 40, "free some")])
    first, *more = text.splitlines()[:-1]
    assert first.startswith("OFF  space     word")
    assert all(line.startswith(" " * 15 + "word") or "free some" in line for line in more)
    assert text.splitlines()[-1] == "1 of 1 off: space"


def failing(fault):
    def check():
        raise fault

    return check


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (InputError("this is wrong"), "this is wrong"),
        (ModuleNotFoundError("No module", name="openvino"), "the package openvino is not here"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b can't be used: Permission denied"),
        (OSError("no words"), "a file can't be used: no words"),
        (RecursionError("too\ndeep"), "this check failed by itself (RecursionError: too deep)"),
    ],
)
def test_a_check_that_fails_is_a_finding(fault, sentence):
    found = guarded("name", failing(fault))
    assert (found.name, found.ok, found.sentence) == ("name", False, sentence)


def test_an_interrupt_is_none():
    with pytest.raises(KeyboardInterrupt):
        guarded("name", failing(KeyboardInterrupt()))


# Python, packages, processor


@pytest.mark.parametrize(
    ("version", "system", "machine", "ok"),
    [
        ((3, 11, 0), "linux", "x86_64", True),
        ((3, 13, 9), "linux", "x86_64", True),
        ((3, 10, 4), "linux", "x86_64", False),
        ((3, 14, 0), "linux", "x86_64", False),
        ((3, 12, 1), "darwin", "arm64", False),
        ((3, 12, 1), "linux", "aarch64", False),
    ],
)
def test_python(version, system, machine, ok):
    assert interpreter.check(version, system, machine).ok is ok


def test_packages(tmp_path):
    pins, here = tmp_path / "r.txt", pytest.__version__
    pins.write_text(f"pytest=={here}\nno-such-thing==1.0 ; sys_platform == 'win32'\n")
    assert packages.check(pins) == well("packages", f"all 1 as {pins} has them")
    pins.write_text("pytest==0.1\nabsent-a==1\nabsent-b==1\nabsent-c==1\n")
    found = packages.check(pins)
    assert not found.ok
    assert found.sentence == (
        f"4 of 4 are not as in {pins}: absent-a 1 is missing; absent-b 1 is missing; absent-c 1 is "
        f"missing and 1 more"
    )
    pins.write_text("pytest==0.1\n")
    assert f"pytest {here}, not 0.1" in packages.check(pins).sentence


def test_instruction_sets_are_those_of_the_first_processor():
    told = instructions.instruction_sets(
        "processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 avx512_vnni\nflags\t\t: amx_bf16\n"
    )
    assert told == ["AVX-512", "AVX-512 bf16", "VNNI"]
    assert instructions.instruction_sets("flags : fpu avx_vnni") == ["VNNI"]
    assert instructions.instruction_sets("Features : neon") == []


ZEN4, AVX2 = ["AVX-512", "AVX-512 bf16", "VNNI"], []


@pytest.mark.parametrize(
    ("precision", "has", "runs", "ok", "words"),
    [
        ("bf16", ZEN4, "bf16", True, "bf16 runs as asked"),
        ("bf16", AVX2, "f32", False, "bf16 is asked for and runs as f32"),
        ("f32", ZEN4, "f32", True, "bf16 would be faster"),
        ("f32", AVX2, "f32", True, "neither AVX-512, AMX nor VNNI; f32 runs as asked"),
        ("int8", ZEN4, "int8", True, "int8 runs as asked, what is not int8 in bf16"),
        ("int8", ["VNNI"], "int8+f32", True, "what is not int8 in f32"),
        ("int8", AVX2, "int8+f32", False, "int8 is slow here"),
    ],
)
def test_what_the_cpu_has_for_what_is_asked(workspace, precision, has, runs, ok, words):
    found = processor.judged(described(precision=precision).choice, has, runs)
    assert (found.ok, words in found.sentence) == (ok, True), found
    assert bool(found.remedy) is not ok


def test_the_cpu_of_this_machine_is_told(workspace):
    assert processor.check(described(precision="f32", engine="openvino")).ok


def test_a_gpu_that_is_not_used(workspace, monkeypatch):
    run = described()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "is_here", lambda: True)
    monkeypatch.setattr(gpus, "lacking", lambda: "TensorFlow lacks CUDA's libraries")
    assert processor.gpu(run) == off(
        "gpu",
        "not used: TensorFlow lacks CUDA's libraries",
        "mend that, or choose extract.engine: openvino",
    )
    assert processor.gpu(described(engine="openvino")).ok
    monkeypatch.setattr(gpus, "lacking", lambda: "")
    assert processor.gpu(described(engine="openvino")).sentence.endswith("openvino computes")


# The store


@pytest.fixture
def full(tmp_path, monkeypatch):
    """The folder of a store that is in use."""
    folder = tmp_path / "store"
    monkeypatch.setenv("TRANSFER_STORE", str(folder))
    Database(folder).close()
    return folder


def test_a_store_that_is_not_there_is_well_and_stays_away(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path / "a/b"))
    assert "nothing is kept yet" in store.check().sentence
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_only_read(full):
    kept.place("md5", "0" * 32).parent.mkdir()
    kept.place("md5", "0" * 32).write_bytes(b"x" * 1000)
    before = files(full)
    found = store.check(deep=True)
    assert found.ok, found
    assert "downloads 1.0 kB" in found.sentence
    assert files(full) == before


def test_a_store_that_was_just_begun_is_well(full):
    (full / NAME).write_bytes(b"")
    assert store.check(deep=True).ok


def test_a_store_in_use_is_well(full):
    with contextlib.closing(sqlite3.connect(full / NAME, isolation_level=None)) as base:
        base.execute("BEGIN EXCLUSIVE")
        assert store.check().ok


def test_a_store_that_is_damaged_stays_where_it_is(full):
    whole = (full / NAME).read_bytes()
    (full / NAME).write_bytes(b"not a database" * 1000)
    found = store.check()
    assert not found.ok
    assert "file is not a database" in found.sentence
    assert "store verify" in found.remedy
    with contextlib.closing(sqlite3.connect(full / "other")) as base:
        base.execute("CREATE TABLE other (a)")
    shutil.copy(full / "other", full / NAME)
    assert "it has other tables" in store.check().sentence
    # A page in the middle, which only reading it all can tell.
    at = 2 * 65536
    (full / NAME).write_bytes(whole[:at] + b"\xff" * 65536 + whole[at + 65536 :])
    assert store.check().ok
    assert not store.check(deep=True).ok


def test_what_was_set_aside_is_told(full):
    (full / NAME).with_suffix(".damaged").write_bytes(b"x" * 2000)
    found = store.check()
    assert "takes 2.0 kB" in found.sentence
    assert found.remedy == "remove it"


def test_a_store_that_is_a_file_or_full(tmp_path, full, monkeypatch):
    monkeypatch.setattr(disks, "free", lambda place: 10**6)
    assert store.check().remedy.startswith("`python -m transfer store gc")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path / "file"))
    found = guarded("store", store.check)
    assert found.sentence.endswith(
        f"{tmp_path}/file is a file, not a folder; correct $TRANSFER_STORE"
    )
    assert "rights" not in found.sentence + found.remedy


def test_downloads_that_were_cut_are_told_and_no_fault(full):
    part = kept.part("md5", "0" * 32)
    part.parent.mkdir()
    part.write_bytes(b"x" * 3000)
    kept.part("md5", "1" * 32).write_bytes(b"x" * 1000)
    found = store.check()
    assert found.ok
    assert (
        f", downloads 4.0 kB, 4.0 kB in 2 downloads cut short, which the same fetch goes on with "
        f"and `rm {full}/downloads/*.part` gives up, "
    ) in found.sentence
    with part.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "1.0 kB in 1 download cut short" in store.check().sentence
        kept.part("md5", "1" * 32).unlink()
        assert "cut short" not in store.check().sentence
    (full / NAME).unlink()
    assert "nothing is kept yet, 3.0 kB in 1 download cut short" in store.check().sentence


def test_sizes_count_a_file_of_several_names_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "gone").symlink_to("nowhere")
    assert 100 <= disks.size(tmp_path) < 200
    assert disks.size(tmp_path / "none") == 0
    assert disks.ground(tmp_path / "x/y/z") == tmp_path
    assert disks.same(tmp_path, tmp_path / "x")


# DVC and git


@pytest.fixture
def dvc(workspace):
    shutil.copytree(
        ROOT / ".dvc", workspace / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache")
    )
    return workspace / ".dvc"


def test_links_are_tried_and_leave_nothing(dvc):
    before = files(dvc.parent)
    found = caching.check()
    assert found.ok
    assert "cache.type reflink,hardlink,copy: " in found.sentence
    assert {path for path in files(dvc.parent) if path not in before} <= {dvc / "tmp"}
    assert caching.links("symlink", dvc, dvc.parent)
    assert not caching.links("hardlink", dvc / "nowhere", dvc.parent)


def test_big_outputs_that_would_lie_twice(dvc, monkeypatch):
    monkeypatch.setattr(caching, "links", lambda kind, *_: False)
    assert caching.check().ok
    Path("data/raw/big").mkdir(parents=True)
    with open("data/raw/big/archive.zip", "wb") as file:
        file.truncate(2 * 10**8)
    found = caching.check()
    assert "copy (reflink and hardlink can't be had), so 200.0 MB lie twice" in found.sentence
    assert "dvc checkout --relink" in found.remedy
    monkeypatch.setattr(caching, "links", lambda kind, *_: kind == "hardlink")
    assert caching.check().ok


@pytest.mark.parametrize("text", ["[cache\n", "[cache]\ntype = teleport\n"])
def test_a_config_that_dvc_refuses(dvc, text):
    (dvc / "config").write_text(text)
    found = caching.check()
    assert found.sentence.startswith(".dvc/config can't be used: ")


def test_locks(tmp_path):
    assert locks.check(tmp_path / "nowhere").ok
    held = tmp_path / "lock"
    held.write_text("")
    assert locks.check(tmp_path) == well("locks", "none is left")
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locks.check(tmp_path).sentence == "a dvc command runs in this folder now"


def test_locks_that_a_kill_left(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def left(pid):
        entry = {"pid": pid, "cmd": "dvc repro"}
        (tmp_path / "rwlock").write_text(json.dumps({"write": {}, "read": {"a": [entry]}}))
        return locks.check(tmp_path)

    words = f"dvc repro (process {ended.pid}) was killed and left its lock"
    assert left(ended.pid).sentence == words
    # This process has its number, and is no dvc.
    assert "which is no dvc command" in left(os.getpid()).sentence
    (tmp_path / "rwlock").write_text('{"write": {"a"')
    assert "half written" in locks.check(tmp_path).sentence


def git(*words):
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def test_git(workspace):
    found = revision.check()
    assert "this folder has no revision to go back to" in found.sentence
    git("init", "-q")
    assert "this folder has no revision to go back to" in revision.check().sentence
    git("add", "-A")
    git("commit", "-qm", "state")
    assert revision.check().ok
    Path("notes.md").write_text("no stage reads this")
    assert revision.check().ok
    described(per_class=3)
    Path("models/cards/new name.yaml").write_text("")
    found = revision.check()
    assert found.sentence == (
        "not committed, and read by stages: models/cards/new name.yaml, params.yaml"
    )
    weights = Path("models/mini.h5")
    whole = weights.read_bytes()
    weights.write_bytes(b"another")
    assert "models/mini.h5" in revision.check().sentence
    weights.write_bytes(whole)
    Path("params.yaml").rename("moved.yaml")
    assert revision.check().sentence == "deleted, and read by stages: params.yaml"
    assert "git checkout HEAD" in revision.check().remedy
    Path("moved.yaml").rename("params.yaml")
    Path(".git/index.lock").write_text("")
    assert revision.check().remedy == "rm .git/index.lock, if none runs"


def test_without_git(workspace, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert revision.check().sentence == "git is not here"


# The mirror, and the space that is needed


def test_no_mirror(workspace):
    assert supply.check(described()).sentence == "none is named; this run fetches nothing"
    found = supply.check(described(net="vgg", dataset="cifar10"))
    assert found.ok
    assert found.sentence.startswith("none is named; from the public address: cifar-10-python.tar")
    found = supply.check(described(dataset="traffic32"))
    assert not found.ok
    assert "`python -m transfer pin traffic32`" in found.sentence


def test_a_store_that_is_no_folder_is_told_once(workspace, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path / "file"))
    assert space.check(described()).ok


def test_what_is_fetched_already_is_not_asked_for(workspace):
    Path("data/raw/traffic32").mkdir(parents=True)
    Path("data/raw/traffic32/train.p").write_bytes(b"x")
    assert supply.check(described(dataset="traffic32")).sentence.endswith("all is fetched")


def test_a_file_that_comes_with_the_repository_and_is_not_whole(workspace):
    path = Path("models/mini.h5")
    whole = path.read_bytes()
    assert supply.check(described()).ok
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = supply.check(described())
    assert found.sentence == "models/mini.h5 is another file than its card means"
    assert found.remedy == "git checkout HEAD -- models/mini.h5"
    path.write_bytes(whole[:-1])
    assert "expected" in supply.check(described()).sentence
    path.unlink()
    assert supply.check(described()).sentence.endswith("comes with the repository, is not there")
    Path("models/weights/mini").mkdir(parents=True)
    Path("models/weights/mini/mini.h5").write_bytes(whole)
    assert supply.check(described()).ok, "it was fetched"


def test_an_address_is_not_asked(workspace, monkeypatch):
    monkeypatch.setenv("TRANSFER_MIRROR", "http://localhost:9/")
    found = supply.check(described(dataset="cifar10"))
    assert found.ok
    assert "is not asked" in found.sentence
    assert space.check(described(dataset="cifar10")).ok


def test_a_mirror_that_is_not_there(workspace, monkeypatch):
    monkeypatch.setenv("TRANSFER_MIRROR", "/nowhere/at/all")
    said = {finding.name: finding for finding in doctor.examine()}
    assert "/nowhere/at/all can't be used" in said["mirror"].sentence
    assert said["space"].ok


def test_files_of_a_mirror(workspace, tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    content = b"signs" * 100
    right = sha256(content).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{right}  train.p\n")
    run = described(dataset="traffic32", mirror=str(folder))
    assert "train.p is listed in SHA256SUMS and is not there" in supply.check(run).sentence
    (folder / "train.p").write_bytes(b"")
    assert "train.p is empty" in supply.check(run).sentence
    (folder / "train.p").write_bytes(content)
    assert supply.check(run, deep=True).sentence == f"{folder}, 1 file; it has train.p"
    (shipped,) = run.card.weights
    assert space.to_fetch(run) == (500 + shipped.size, 0, "")
    (folder / "train.p").write_bytes(b"x" * 500)
    assert supply.check(run).ok
    assert f"expected {right} by SHA256SUMS" in supply.check(run, deep=True).sentence
    # Of the published file itself, the size is known.
    (file,) = run.source.files
    known = dataclasses.replace(file, sha256=right, size=501)
    there = Mirror(str(folder), {"train.p": right})
    assert "has 500 bytes, expected 501" in supply.fault(known, there)


def test_the_mirror_of_real_files_is_whole(workspace, mirror):
    run = described(net="squeezenet", dataset="flowers", mirror=str(mirror))
    found = supply.check(run, deep=True)
    assert found.ok
    assert found.sentence.endswith("it has flower_photos.tgz, squeezenet_v1.1.npy")


def test_space_counts_activations_at_a_cut(workspace):
    given = {"net": "mini", "dataset": "cifar10", "views": "[plain]", "layers": "card"}
    Path("data/index").mkdir()
    Path("data/index/cifar10.csv").write_text("id\n" + "a\n" * 1000)
    features = space.of_features(described(**given, size="card"))
    run = described(**given, size="card", cut="block1", augmented="2")
    cut = run.card.cuts["block1"]
    assert space.of_features(run) == features + 1000 * 3 * 2 * math.prod(cut.shape)
    half = described(**given, size=str(run.card.size // 2), cut="block1", augmented="2")
    assert space.of_features(half) == features + 1000 * 3 * math.prod(cut.shape) // 2
    assert "of features and activations, twice" in space.check(run).sentence
    assert (
        f", {run.card.size} px, cut at block1, 3 views there, plain, " in runs.check(run).sentence
    )


def test_space_counts_what_is_not_there_yet(workspace, monkeypatch):
    run = described(net="vgg", dataset="cifar10", views="[plain]")
    assert space.to_fetch(run) == (170498071, 170498071, "1 file of unknown size")
    assert space.to_convert(run) == 4 * 14714688
    assert space.of_features(run) is None
    Path("data/index").mkdir()
    Path("data/index/cifar10.csv").write_text("id\n" + "a\n" * 1000)
    assert space.of_features(run) == 1000 * 512 * 4
    found = space.check(run)
    assert "1 file of unknown size, 58.9 MB of network, 2.0 MB of features, twice" in found.sentence
    monkeypatch.setattr(disks, "free", lambda place: 10**8)
    found = space.check(run)
    assert not found.ok
    assert "the run needs 404.0 MB on the disk of . and 100.0 MB is free" in found.sentence


def test_the_length_of_joined_layers_is_the_networks(workspace):
    run = described(net="vgg", layers="multi")
    assert space.length_of(run) is None
    folder = Path("models/backbones/vgg")
    folder.mkdir(parents=True)
    about = {"weights": {"seed": 0}, "graph": "", "layers": {"block3_pool": 256}}
    (folder / "backbone.json").write_text(json.dumps(about))
    assert space.length_of(run) is None
    about["layers"] |= {"block4_pool": 512, "block5_pool": 512}
    (folder / "backbone.json").write_text(json.dumps(about))
    assert space.length_of(run) == 1280
