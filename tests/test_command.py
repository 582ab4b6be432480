"""`python -m transfer`, and the frame that every command runs in."""

import errno
import re
import subprocess
import sys

import pytest

from tests.command_line import command
from tests.imports import ROOT
from transfer import errors


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("reznet", "error: unknown net or dataset 'reznet'; known: resnet, "),
        ("../../params", "error: unknown net or dataset '../../params'; known: "),
        ("sample", "error: dataset sample has no files at an address to pin"),
    ],
)
def test_pin_of_what_has_no_file(name, sentence):
    code, out, err = command("pin", name)
    assert (code, out) == (1, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_pin_of_what_is_pinned():
    code, out, _ = command("pin", "cifar10")
    assert code == 0
    assert "every file has a hash" in out


COMMANDS = tuple("pin mirror predict imagenet embeddings report export".split())
COMMANDS += ("compare", "budget", "table", "store", "doctor", "sources")
HEAVY = ("numpy", "openvino", "PIL", "pyarrow", "tensorflow", "yaml")


def test_help_says_what_there_is():
    code, out, _ = command("--help")
    assert code == 0
    for name in COMMANDS:
        assert re.search(rf"^ +{name} +[A-Z]", out, re.MULTILINE)
        code, about, _ = command(name, "--help")
        assert code == 0
        assert about.startswith(f"usage: python -m transfer {name} ")


@pytest.mark.parametrize(
    ("words", "lazy"), [(["--help"], HEAVY), (["pin", "cifar10"], HEAVY[:-1]), (["nope"], HEAVY)]
)
def test_what_computes_nothing_starts_at_once(words, lazy):
    spy = (
        "import atexit, runpy, sys; sys.argv[1:] = sys.argv[1:];"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "runpy.run_module('transfer', run_name='__main__')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", spy, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    loaded = ran.stderr.splitlines()[-1].split()
    assert "transfer.errors" in loaded
    assert not set(lazy) & set(loaded)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["report"], "error: "),
        (["export", "--to", "floppy"], "error: unknown format 'floppy'; known: "),
        (["embeddings", "out.parquet"], "error: params.yaml is not here; run in the repository's"),
        (["imagenet", "a.png"], "error: params.yaml is not here; run in the repository's root"),
        (["mirror", "m", "--all"], "error: params.yaml is not here; run in the repository's root"),
    ],
)
def test_in_a_folder_without_anything_each_says_one_sentence(tmp_path, words, sentence):
    code, out, err = command(*words, cwd=tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_a_file_that_cant_be_used_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop, errors.sentences():
        (tmp_path / "file" / "below").mkdir()
    assert stop.value.code == 1
    err = capsys.readouterr().err
    assert err == f"error: {tmp_path}/file/below can't be used: Not a directory\n"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (MemoryError("Unable to allocate 9 GiB"), "Unable to allocate 9 GiB"),
        (
            RuntimeError("Exception from src/core.cpp:54:\nstd::bad_alloc\n\n"),
            "Exception from src/core.cpp:54: std::bad_alloc",
        ),
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory"),
    ],
)
def test_memory_that_ends_is_one_sentence(fault, said, capsys):
    """As NumPy, OpenVINO, Python's threads and the system tell it."""
    with pytest.raises(SystemExit) as stop, errors.sentences():
        raise fault
    assert stop.value.code == 1
    err = capsys.readouterr().err
    assert err == f"error: there is not enough memory for this: {said}\n"


def test_a_fault_of_our_own_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="a fault"), errors.sentences():
        raise RuntimeError("a fault")


def test_a_full_disk_is_one_sentence():
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    sentence = (
        "error: what is written does not fit: No space left on device; free space and run it "
    )
    assert (run.returncode, run.stderr) == (1, f"{sentence}again\n")


FULL_DISK = """
import sys
from transfer import errors
sys.stdout = open("/dev/full", "w")
with errors.sentences():
    print("figures")
    sys.stdout.flush()
"""
