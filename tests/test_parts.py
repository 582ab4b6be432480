"""Downloads by several processes at once, by ones that are killed, and onto disks that refuse."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.command_line import command
from tests.downloading import BODY, SHA, fetch, hurried
from tests.imports import ROOT
from tests.servers import Ranged, serving
from transfer import errors
from transfer.downloads import fetching as library
from transfer.downloads import kept, parts
from transfer.downloads.files import File
from transfer.downloads.kept import store_folder
from transfer.downloads.mirrors import Mirror
from transfer.errors import InputError

HALF = len(BODY) // 2

FETCH = """
import sys
from pathlib import Path
from transfer import errors
from transfer.downloads import fetching
from transfer.downloads.files import File
from transfer.downloads.mirrors import Mirror
address, digest, folder = sys.argv[1:]
Path(folder).mkdir()
with errors.sentences():
    fetching.fetch(File("w.npy", (address,), sha256=digest), Path(folder), Mirror(), pin="net")
"""


def fetching(address, folder):
    """A process of its own that fetches `address`, with SHA, into the new folder `folder`."""
    words = [sys.executable, "-c", FETCH, address, SHA, str(folder)]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)


class Held(Ranged):
    """A Ranged whose first answer stops after `HALF` bytes until `go` is set; `reached` is set as
    it is asked."""

    def __init__(self, body):
        super().__init__(body)
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, handler):
        if self.reached.is_set():
            super().__call__(handler)
            return
        self.asked.append(None)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body[:HALF])
        self.reached.set()
        self.go.wait(30)
        handler.wfile.write(self.body[HALF:])


def part():
    return store_folder() / "downloads" / f"sha256-{SHA}.part"


def until(holds):
    """Waits until `holds()`, at most ten seconds."""
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")


def half_has_come():
    return part().exists() and part().stat().st_size == HALF


def test_of_two_processes_at_once_one_downloads(tmp_path):
    answer = Held(BODY)
    with serving({"/w.npy": answer}) as (base, log):
        first = fetching(f"{base}/w.npy", tmp_path / "a")
        assert answer.reached.wait(10)
        second = fetching(f"{base}/w.npy", tmp_path / "b")
        said = second.stderr.readline()
        answer.go.set()
        assert first.wait(20) == second.wait(20) == 0
    assert said == "w.npy is being downloaded by another process; waiting for it\n"
    assert log == ["/w.npy"]
    for name in "ab":
        assert (tmp_path / name / "w.npy").read_bytes() == BODY
    assert not part().exists()
    first.stderr.close(), second.stderr.close()


def test_what_a_killed_process_held_goes_to_the_one_that_waits(tmp_path):
    answer = Held(BODY)
    with serving({"/w.npy": answer}) as (base, _):
        first = fetching(f"{base}/w.npy", tmp_path / "a")
        until(half_has_come)
        second = fetching(f"{base}/w.npy", tmp_path / "b")
        assert "waiting" in second.stderr.readline()
        first.send_signal(signal.SIGKILL)
        assert second.wait(20) == 0
        first.wait()
        answer.go.set()
    assert answer.asked == [None, f"bytes={HALF}-"]
    assert (tmp_path / "b" / "w.npy").read_bytes() == BODY
    assert list((tmp_path / "a").iterdir()) == []
    first.stderr.close(), second.stderr.close()


def test_a_run_after_a_kill_goes_on_where_it_was(tmp_path):
    answer = Held(BODY)
    with serving({"/w.npy": answer}) as (base, _):
        killed = fetching(f"{base}/w.npy", tmp_path / "a")
        until(half_has_come)
        killed.kill()
        killed.wait()
        answer.go.set()
        again = fetching(f"{base}/w.npy", tmp_path / "b")
        assert again.wait(20) == 0
    assert answer.asked == [None, f"bytes={HALF}-"]
    assert (tmp_path / "b" / "w.npy").read_bytes() == BODY
    killed.stderr.close(), again.stderr.close()


def test_many_at_once_each_end_with_the_whole_file(tmp_path):
    """Threads do not share a lock either: each opens the part for itself."""
    with serving({"/w.npy": Ranged(BODY)}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy",), sha256=SHA)
        folders = [tmp_path / str(i) for i in range(8)]
        for folder in folders:
            folder.mkdir()
        threads = [threading.Thread(target=fetch, args=(file, folder)) for folder in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert log == ["/w.npy"]
    assert all((folder / "out" / "w.npy").read_bytes() == BODY for folder in folders)


def test_who_comes_while_the_file_gets_its_names_waits(tmp_path, monkeypatch):
    """A file has two places in the store; between the first and the second it is not yet found by
    the one that the comer looks for."""
    link, others = kept.link, []

    def slow_link(source, target):
        if target.parent == store_folder() / "downloads" and not others:
            folder = tmp_path / "b"
            folder.mkdir()
            others.append(threading.Thread(target=fetch, args=(file, folder)))
            others[0].start()
            others[0].join(0.5)
        link(source, target)

    with serving({"/w.npy": Ranged(BODY)}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy",), sha256=SHA)
        monkeypatch.setattr(kept, "link", slow_link)
        fetch(file, tmp_path)
        others[0].join()
    assert log == ["/w.npy"]
    assert (tmp_path / "b" / "out" / "w.npy").read_bytes() == BODY


# Disks


def test_a_file_that_does_not_fit_is_refused_before_it_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 7_999))
    answer = Ranged(BODY)
    with serving({"/w.npy": answer}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy", f"{base}/w.npy"), sha256=SHA)
        match = r"downloads has 7,999 bytes free, 8,000 are needed for a download; free space"
        with pytest.raises(InputError, match=match):
            fetch(file, tmp_path)
        assert log == ["/w.npy"]  # no other address would help
        assert not part().exists()
        part().write_bytes(BODY[:1])  # what is there already needs no more room
        fetch(file, tmp_path)
    assert answer.asked == [None, "bytes=1-"]


class Full:
    """A file that takes `room` bytes more, some of the last write among them."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(len(data), self._room)
        self._room -= taken
        return self._file.write(data[:taken])


def test_a_disk_that_fills_up_is_one_sentence_and_keeps_what_came(tmp_path, monkeypatch):
    locked = parts.locked

    @contextlib.contextmanager
    def filling(*words):
        with locked(*words) as file:
            yield Full(file, 3000)

    answer = Ranged(BODY)
    with serving({"/w.npy": answer}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy", f"{base}/w.npy"), sha256=SHA)
        slept = []
        with monkeypatch.context() as patch:
            patch.setattr(parts, "locked", filling)
            match = r"downloads is full \(No space left on device\) after 3,000 bytes of a download"
            with pytest.raises(InputError, match=match):
                fetch(file, tmp_path, patience=hurried(slept.append))
        assert (len(log), slept) == (1, [])  # neither time nor another address would help
        assert part().read_bytes() == BODY[:3000]
        _, path = fetch(file, tmp_path)
    assert path.read_bytes() == BODY
    assert answer.asked == [None, "bytes=3000-"]


@pytest.fixture
def unprivileged():
    """A new folder, and a process that may write where its permissions let it alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        as_root = os.geteuid() == 0
        if as_root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if as_root:
                os.seteuid(0)


@pytest.mark.parametrize("locked_up", ["store", "target"])
def test_a_folder_that_can_only_be_read_is_one_sentence(
    unprivileged, monkeypatch, capsys, locked_up
):
    store, target = unprivileged / "store", unprivileged / "target"
    monkeypatch.setenv("TRANSFER_STORE", str(store))
    with serving({"/w.npy": BODY}) as (base, _):
        store.mkdir()
        target.mkdir()
        {"store": store, "target": target}[locked_up].chmod(0o555)
        file = File("w.npy", (f"{base}/w.npy",), sha256=SHA)
        with pytest.raises(SystemExit) as stop, errors.sentences():
            library.fetch(file, target, Mirror(), pin="net", patience=hurried())
    assert stop.value.code == 1
    err = capsys.readouterr().err.splitlines()
    named = {"store": store / "downloads", "target": target / "w.npy"}[locked_up]
    assert err == [f"error: {named} can't be used: Permission denied"]
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file", "file is a file, not a folder; correct $TRANSFER_STORE"),
        ("file/below/it", "file is a file, not a folder; correct $TRANSFER_STORE"),
        ("link", "link is a link to no folder; correct $TRANSFER_STORE"),
    ],
)
def test_a_store_that_can_be_no_folder_is_told_before_anything_is_fetched(
    tmp_path, monkeypatch, place, words
):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path / place))
    with serving({"/w.npy": BODY}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy",), sha256=SHA)
        with pytest.raises(InputError) as fault:
            library.fetch(file, tmp_path, Mirror(), pin="net", patience=hurried())
    assert str(fault.value) == f"the store can't lie in {tmp_path / place}: {tmp_path}/{words}"
    assert log == []
    assert command("store", "stat")[2] == f"error: {fault.value}\n"


def test_a_store_need_not_be_there_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_STORE", str(tmp_path / "a/b"))
    assert kept.store_folder() == tmp_path / "a/b"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFER_STORE", "a/b")
    assert kept.store_folder() == Path("a/b")


def test_a_name_is_given_whole_where_links_cant_be_had(tmp_path, monkeypatch):
    """As between two file systems: what was there stays until all is copied."""
    source, target = tmp_path / "kept", tmp_path / "w.npy"
    source.write_bytes(BODY)
    target.write_bytes(b"before")

    def none(*words):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def half(source, out, length):
        out.write(source.read(HALF))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", none)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", half)
        with pytest.raises(OSError, match="No space left"):
            kept.link(source, target)
    assert target.read_bytes() == b"before"
    kept.link(source, target)
    assert target.read_bytes() == BODY
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "w.npy"]


def test_a_second_link_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "kept").write_bytes(BODY)
    for _ in range(2):
        kept.link(tmp_path / "kept", tmp_path / "w.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "w.npy"]
