"""Every hostile pickle is refused in one sentence, unrun, quickly and in little memory, by every
door that reads pickles."""

import io
import json
import os
import pickle
import resource
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from tests.hostile import ZOO
from tests.imports import ROOT
from transfer.datasets import sources
from transfer.datasets.reading import readers
from transfer.errors import InputError
from transfer.packs import reader as packs
from transfer.pickles import reader as pickles

SECONDS = 1  # of CPU for one file
MEGABYTES = 200  # beyond what the process held before


@pytest.mark.parametrize("kind", ZOO)
def test_refused_in_one_sentence_and_not_run(kind, tmp_path, monkeypatch):
    data, says = ZOO[kind]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says) as fault:
        pickles.load(data, "gift.p")
    assert str(fault.value).startswith("gift.p ")
    assert len(str(fault.value)) < 400
    assert str(fault.value).isprintable()
    assert os.listdir(tmp_path) == []


def test_the_command_of_the_zoo_runs_where_plain_pickle_reads_it(tmp_path, monkeypatch):
    """Else an empty folder would prove nothing."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(ZOO["os.system by GLOBAL"][0])
    assert os.listdir(tmp_path) == ["ran"]


def measured():
    """Prints {kind: (seconds of CPU, MB that the peak rose by, said)}, the process's memory held
    to MEGABYTES more than it has: beyond that an allocation fails as MemoryError."""
    with open("/proc/self/statm") as statm:
        held = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEGABYTES * 2**20,) * 2)
    found = {}
    for kind, (data, _) in ZOO.items():
        before = resource.getrusage(resource.RUSAGE_SELF)
        try:
            said = f"read: {type(pickles.load(data)).__name__}"
        except InputError:
            said = "refused"
        except MemoryError:
            said = "out of memory"
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found[kind] = spent, (after.ru_maxrss - before.ru_maxrss) / 1024, said
    print(json.dumps(found))


def test_little_time_and_memory(tmp_path):
    program = "from tests import test_hostile_pickles as t; t.measured()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    found = json.loads(done.stdout)
    assert list(found) == list(ZOO)
    over = {
        kind: row
        for kind, row in found.items()
        if row[0] > SECONDS or row[1] > MEGABYTES or row[2] != "refused"
    }
    assert not over
    assert os.listdir(tmp_path) == []


# The doors.

CHOSEN = [
    "os.system by GLOBAL",
    "BUILD with __setstate__",
    "INST",
    "NEWOBJ",
    "BINPERSID",
    "a memo bomb of lists",
    "a huge shape",
    "objects in a buffer",
    "records with objects",
    "a huge string",
]


def pack(folder, data):
    (folder / "a.p").write_bytes(data)
    packs.read(folder / "a.p")


def signs(folder, data):
    (folder / "train.p").write_bytes(data)
    files = (sources.File("train.p"),)
    source = sources.Source(
        name="s", kind="archives", layout="pickled", classes=("a",), files=files
    )
    list(readers.read(source, None, folder))


def batch(folder, data):
    with tarfile.open(folder / "c.tar.gz", "w:gz") as packed:
        for name, content in {
            "batches.meta": pickle.dumps({"label_names": ["cat"]}),
            "data_batch_1": data,
        }.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    files = (sources.File("c.tar.gz"),)
    source = sources.Source(name="c", kind="archives", layout="cifar10", files=files)
    list(readers.read(source, None, folder))


def weights(folder, data):
    with io.BytesIO() as file:
        np.save(file, np.array(None, dtype=object), allow_pickle=True)
        header = file.getvalue()[:128]  # the version and header that NumPy pads to 128 bytes
    (folder / "w.npy").write_bytes(header + data)
    pickles.load_npy(folder / "w.npy")


@pytest.mark.parametrize("kind", CHOSEN)
@pytest.mark.parametrize("door", [pack, signs, batch, weights])
def test_every_door(door, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, says = ZOO[kind]
    with pytest.raises(InputError, match=says) as fault:
        door(tmp_path, data)
    assert str(fault.value).isprintable()
    assert len(os.listdir(tmp_path)) == 1, "something beside the file itself"
