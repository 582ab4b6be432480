"""Files by hash: mirrors, public addresses on a local server, what is kept, and every refusal."""

import hashlib
import os
import socket
import threading

import pytest

from tests.downloading import BODY, MD5, SHA, SHA1, fetch, hurried
from tests.servers import serving
from transfer import trees
from transfer.downloads import fetching, files, manifests, mirrors, pins
from transfer.downloads.files import File, digests_of
from transfer.downloads.kept import store_folder
from transfer.errors import InputError


def mirror_folder(folder, name="w.npy", body=BODY, digest=None):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(body)
    (folder / "SHA256SUMS").write_text(f"{digest or hashlib.sha256(body).hexdigest()}  {name}\n")
    return folder


def test_from_a_mirror_folder_published_only_where_the_hash_is(tmp_path):
    mirror = mirrors.find(str(mirror_folder(tmp_path / "m")))
    line, path = fetch(File("w.npy", sha256=SHA), tmp_path, mirror)
    assert path.read_bytes() == BODY
    assert line == {"name": "w.npy", "sha256": SHA, "size": len(BODY), "origin": "published"}
    assert fetch(File("w.npy", md5=MD5), tmp_path, mirror)[0]["origin"] == "published"
    assert fetch(File("w.npy", sha256="0" * 64), tmp_path, mirror)[0]["origin"] == "mirror"
    assert fetch(File("w.npy"), tmp_path, mirror)[0]["origin"] == "mirror"


def test_the_mirrors_own_file_is_never_linked(tmp_path):
    folder = mirror_folder(tmp_path / "m")
    _, path = fetch(File("w.npy"), tmp_path, mirrors.find(str(folder)))
    assert not path.samefile(folder / "w.npy")


def test_of_alternatives_the_one_that_the_mirror_has_comes_first(tmp_path):
    files = [File("a.npy"), File("b.bin", ("http://host/b.bin",)), File("w.npy")]
    mirror = mirrors.find(str(mirror_folder(tmp_path / "m")))
    assert fetching.available(files, mirror).name == "w.npy"
    assert fetching.available(files, mirrors.Mirror()).name == "b.bin"
    assert fetching.available(files[:1], mirrors.Mirror()).name == "a.npy"


def test_what_comes_with_the_repository_is_copied_from_there_whatever_a_mirror_has(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mirror = mirrors.find(str(mirror_folder(tmp_path / "m", body=b"another")))
    shipped = File("w.npy", sha256=SHA, path="models/w.npy")
    assert fetching.available([File("w.npy"), shipped], mirror) == shipped
    with pytest.raises(InputError, match=r"^models/w.npy is of this repository but can't be read"):
        fetch(shipped, tmp_path, mirror)
    place = tmp_path / "models/w.npy"
    place.parent.mkdir()
    place.write_bytes(BODY)
    line, path = fetch(shipped, tmp_path, mirror)
    assert path.read_bytes() == BODY
    assert not path.samefile(place)
    assert line["origin"] == "published"
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(InputError, match=r"^models/w.npy is a pipe, a socket or a device; expec"):
        fetch(shipped, tmp_path, mirror)
    place.unlink()
    place.write_bytes(BODY[:-1])
    back = "if git has it, `git checkout HEAD -- models/w.npy` brings it back$"
    with pytest.raises(
        InputError, match=rf"^models/w.npy has sha256 .* by what is pinned .*{back}"
    ):
        fetch(shipped, tmp_path, mirror)
    sized = File("w.npy", sha256=SHA, size=len(BODY), path="models/w.npy")
    with pytest.raises(InputError, match=rf"^models/w.npy has [0-9,]+ bytes, expected .*{back}"):
        fetch(sized, tmp_path, mirror)


def test_wrong_hash_in_a_mirror_leaves_nothing(tmp_path):
    mirror = mirrors.find(str(mirror_folder(tmp_path / "m", digest="a" * 64)))
    with pytest.raises(
        InputError, match=rf"has sha256 {SHA}, expected a{{64}} by the mirror's SHA256SUMS"
    ):
        fetch(File("w.npy"), tmp_path, mirror)
    assert list((tmp_path / "out").iterdir()) == []


def test_public_address_is_downloaded_once(tmp_path):
    with serving({"/w.npy": BODY}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy",), md5=MD5)
        assert fetch(file, tmp_path)[0]["origin"] == "published"
        line, path = fetch(file, tmp_path)
    assert log == ["/w.npy"]
    assert path.read_bytes() == BODY
    assert line["sha256"] == SHA


def test_a_damaged_kept_file_is_fetched_again(tmp_path):
    with serving({"/w.npy": BODY}) as (base, log):
        file = File("w.npy", (f"{base}/w.npy",), sha256=SHA)
        fetch(file, tmp_path)
        (store_folder() / "downloads" / f"sha256-{SHA}").write_bytes(b"rot")
        _, path = fetch(file, tmp_path)
    assert path.read_bytes() == BODY
    assert len(log) == 2


def test_a_hash_of_the_other_kind_costs_no_download(tmp_path):
    with serving({"/w.npy": BODY}) as (base, log):
        fetch(File("w.npy", (f"{base}/w.npy",), sha1=SHA1), tmp_path)
        fetch(File("w.npy", (f"{base}/w.npy",), sha256=SHA), tmp_path)
        fetch(File("w.npy", (f"{base}/w.npy",), md5=MD5), tmp_path)
        assert log == ["/w.npy"]


def test_a_file_that_the_mirror_lacks_comes_from_its_public_address(tmp_path):
    with serving({"/w.npy": BODY}) as (base, log):
        mirror = mirrors.find(str(mirror_folder(tmp_path / "m", name="other.npy")))
        fetch(File("w.npy", (f"{base}/w.npy",), sha256=SHA), tmp_path, mirror)
        assert log == ["/w.npy"]


def test_a_web_mirror_wins_over_the_public_address(tmp_path):
    with serving({"/m/SHA256SUMS": f"{SHA}  w.npy\n".encode(), "/m/w.npy": BODY}) as (base, log):
        mirror = mirrors.find(f"{base}/m/")
        line, _ = fetch(File("w.npy", (f"{base}/public",)), tmp_path, mirror)
        assert log == ["/m/SHA256SUMS", "/m/w.npy"]
        assert line["origin"] == "mirror"


def test_passing_faults_are_tried_again_and_lasting_ones_are_not(tmp_path):
    cut = (BODY[:100], len(BODY))
    with serving({"/w.npy": [503, cut, BODY], "/gone": 404}) as (base, log):
        fetch(File("w.npy", (f"{base}/w.npy",), sha256=SHA), tmp_path)
        assert len(log) == 3
        with pytest.raises(InputError, match=r"HTTP 404 Not Found.*name a mirror"):
            fetch(File("w", (f"{base}/gone",), sha256="b" * 64), tmp_path)
        assert log.count("/gone") == 1


def test_wrong_bytes_from_a_public_address_are_not_kept(tmp_path):
    with (
        serving({"/w.npy": b"other bytes"}) as (base, _),
        pytest.raises(InputError, match=f"expected {SHA} by what is pinned for net"),
    ):
        fetch(File("w.npy", (f"{base}/w.npy",), sha256=SHA), tmp_path)
    assert list((store_folder() / "downloads").iterdir()) == []


def test_no_network_names_both_ways_out(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    file = File("w.npy", (f"http://127.0.0.1:{port}/w.npy",), sha256=SHA)
    with pytest.raises(InputError, match=r"refused.*name a mirror.*TRANSFER_MIRROR, or by random"):
        fetching.fetch(
            file,
            tmp_path,
            mirrors.Mirror(),
            pin="net",
            else_try=", or by random",
            patience=hurried(),
        )


def test_no_address_and_no_hash(tmp_path):
    with pytest.raises(InputError, match=r"has no public address and no mirror is given"):
        fetch(File("w.npy"), tmp_path)
    mirror = mirrors.find(str(mirror_folder(tmp_path / "m", name="other")))
    with pytest.raises(InputError, match=rf"and the mirror {tmp_path / 'm'} lacks it"):
        fetch(File("w.npy"), tmp_path, mirror)
    with pytest.raises(InputError, match="`python -m transfer pin net` downloads it once"):
        fetch(File("w.npy", ("http://127.0.0.1:9/w.npy",)), tmp_path)


def test_which_mirror(tmp_path, monkeypatch):
    one, two = mirror_folder(tmp_path / "one"), mirror_folder(tmp_path / "two")
    assert mirrors.find("") == mirrors.Mirror()
    monkeypatch.setenv("TRANSFER_MIRROR", str(one))
    assert mirrors.find("").address == str(one)
    assert mirrors.find(str(two)).address == str(two)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert mirrors.find("two").at("w.npy") == str(two / "w.npy")
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path / "one")
    assert mirrors.find("../two").sums == {"w.npy": SHA}


def test_a_mirror_that_is_missing_or_damaged(tmp_path):
    with pytest.raises(InputError, match=r"nowhere can't be used: .*SHA256SUMS can't be read"):
        mirrors.find(str(tmp_path / "nowhere"))
    with serving({}) as (base, _), pytest.raises(InputError, match="HTTP 404"):
        mirrors.find(base)
    (mirror_folder(tmp_path / "m") / "SHA256SUMS").write_text(f"{SHA}  w\nnonsense\n")
    with pytest.raises(InputError, match="line 2: expected `sha256  name`, received 'nonsense'"):
        mirrors.find(str(tmp_path / "m"))


@pytest.mark.parametrize(
    "address",
    [
        "http://my mirror/x",
        "http://h:abc/",
        "~nobody-of-that-name/x",
        "http://[::1",
        "ftp://host/x",
    ],
)
def test_addresses_that_are_none(address):
    with pytest.raises(InputError, match="can't be used"):
        mirrors.find(address)


def test_a_server_that_does_not_speak_http(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)

        def answer():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"220 not http\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match="can't be used"):
            mirrors.find(address, hurried())
        with pytest.raises(InputError, match="can't be had from"):
            fetch(File("w", (f"{address}/w",), sha256=SHA), tmp_path)


def test_sums_as_other_tools_write_them(tmp_path):
    folder = mirror_folder(tmp_path / "m")
    (folder / "SHA256SUMS").write_text(f"{SHA.upper()} *./w.npy\n\n{'0' * 64}  images/a b.png\n")
    assert mirrors.find(str(folder)).sums == {"w.npy": SHA, "images/a b.png": "0" * 64}


def test_pin_writes_the_hash_and_keeps_comments(tmp_path):
    card = tmp_path / "net.yaml"
    with serving({"/w.npy": BODY}) as (base, log):
        card.write_text(
            f"# a net\nweights:   # where\n  name: w.npy\n  url: {base}/w.npy\nsize: 224   # px\n"
        )
        lines = pins.pin(card, lambda tree: [tree["weights"]])
        text = card.read_text()
        assert f"sha256: {SHA}" in text
        assert f"size: {len(BODY)}" in text
        assert text.startswith("# a net\nweights:   # where\n")
        assert "size: 224   # px" in text
        assert lines[0] == f"w.npy: {len(BODY):,} bytes, sha256 {SHA}"
        assert "nothing to pin" in pins.pin(card, lambda tree: [tree["weights"]])[0]
        # What was pinned is not fetched a second time.
        fetch(File("w.npy", (f"{base}/w.npy",), sha256=SHA), tmp_path)
        assert log == ["/w.npy"]


def test_pin_keeps_the_form_of_a_list(tmp_path):
    source = tmp_path / "source.yaml"
    with serving({"/w.npy": BODY}) as (base, _):
        text = f"files:\n  - name: w.npy\n    url: {base}/w.npy\n"
        source.write_text(text)
        pins.pin(source, lambda tree: tree["files"])
    assert source.read_text() == f"{text}    sha256: {SHA}\n    size: {len(BODY)}\n"


def test_pin_passes_over_what_a_mirror_alone_has(tmp_path):
    card = tmp_path / "net.yaml"
    with serving({"/w.npy": BODY}) as (base, _):
        card.write_text(f"weights:\n  - name: m.npy\n  - name: w.npy\n    url: {base}/w.npy\n")
        pins.pin(card, lambda tree: tree["weights"])
    assert f"w.npy\n    url: {base}/w.npy\n    sha256: {SHA}" in card.read_text()
    card.write_text("weights:\n  - name: m.npy\n")
    with pytest.raises(InputError, match=r"m.npy has no public address, so there is nothing to"):
        pins.pin(card, lambda tree: tree["weights"])


def test_manifest_round_trip_and_faults(tmp_path):
    manifests.write(tmp_path, "untrained", seed=3)
    assert manifests.read(tmp_path) == {"origin": "untrained", "seed": 3, "files": []}
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match="does not say an origin"):
        manifests.read(tmp_path)
    with pytest.raises(InputError, match="is not here; run `dvc repro`"):
        manifests.read(tmp_path / "none")
    assert manifests.origin_of([{"origin": "published"}, {"origin": "mirror"}]) == "mirror"


def described(tmp_path, text):
    (tmp_path / "file.yaml").write_text(text)
    return files.described(trees.read(tmp_path / "file.yaml"))


def test_a_file_has_one_address_or_several(tmp_path):
    one, two = "https://a.example/w", "http://b.example/w"
    assert described(tmp_path, "name: w").urls == ()
    assert described(tmp_path, f"name: w\nurl: {one}").urls == (one,)
    assert described(tmp_path, f"name: w\nurl: [{one}, {two}]").urls == (one, two)


@pytest.mark.parametrize(
    "url", ["7", "[7]", "['']", "file:///etc/passwd", "ftp://host/w", "[https://host/w, w]", "{}"]
)
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(InputError, match=r"line 2: url needs addresses of http or https; received"):
        described(tmp_path, f"name: w\nurl: {url}")


@pytest.mark.parametrize("name", ["a/b", "..", "a\\nb  c", " w", "w ", "\\x1b[2J", "a\\0"])
def test_names_that_could_be_taken_for_something_else_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"name needs the plain name of a file; received"):
        described(tmp_path, f'name: "{name}"')


def test_digests_are_those_of_hashlib(tmp_path):
    (tmp_path / "f").write_bytes(BODY)
    assert digests_of(tmp_path / "f") == {"sha256": SHA, "sha1": SHA1, "md5": MD5}
