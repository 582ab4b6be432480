"""Downloads from servers on localhost that misbehave: each is borne, or refused in one sentence."""

import contextlib
import email.utils
import hashlib
import http.server
import socket
import ssl
import threading
import time

import pytest
import trustme

from tests.downloading import BODY, SHA, fetch, hurried
from tests.servers import Ranged, redirect, send, serving
from transfer.downloads import mirrors, parts, pins
from transfer.downloads.files import File
from transfer.downloads.kept import store_folder
from transfer.downloads.mirrors import Mirror
from transfer.errors import InputError

HALF = len(BODY) // 2


def kept():
    """The names of what the store has downloaded, whole or in part."""
    return sorted(path.name for path in (store_folder() / "downloads").iterdir())


def refused(file, tmp_path, match, patience=None):
    """That `file` is refused in one sentence and nothing lies under its name; the sentence."""
    with pytest.raises(InputError, match=match) as fault:
        fetch(file, tmp_path, patience=patience)
    sentence = str(fault.value)
    assert "\n" not in sentence
    assert list((tmp_path / "out").iterdir()) == []
    assert not [name for name in kept() if not name.endswith(".part")]
    return sentence


def file_at(*addresses, sha256=SHA, size=0):
    return File("w.npy", addresses, sha256=sha256, size=size)


# A cut, and what servers answer to the wish to go on


def test_a_cut_is_resumed_where_it_came(tmp_path):
    answer = Ranged(BODY, cut=HALF)
    with serving({"/w.npy": answer}) as (base, _):
        _, path = fetch(file_at(f"{base}/w.npy"), tmp_path)
    assert answer.asked == [None, f"bytes={HALF}-"]
    assert path.read_bytes() == BODY


def test_a_server_that_ignores_ranges_gives_all_again(tmp_path):
    with serving({"/w.npy": [(BODY[:HALF], len(BODY)), BODY]}) as (base, log):
        _, path = fetch(file_at(f"{base}/w.npy"), tmp_path)
    assert len(log) == 2
    assert path.read_bytes() == BODY


def test_a_server_that_sends_another_range_is_asked_for_all(tmp_path):
    asked = []

    def other(handler):
        asked.append(handler.headers.get("Range"))
        head = {"Content-Range": f"bytes 7-{len(BODY) - 1}/{len(BODY)}"}
        send(handler, BODY[7:], head | {"Content-Length": len(BODY) - 7}, 206)

    whole = Ranged(BODY)
    with serving({"/w.npy": [(BODY[:HALF], len(BODY)), other, whole]}) as (base, _):
        _, path = fetch(file_at(f"{base}/w.npy"), tmp_path)
    assert asked == [f"bytes={HALF}-"]
    assert whole.asked == [None]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("tag", ['"one"', "", 'W/"weak"'])
def test_a_file_that_changed_between_is_fetched_anew(tmp_path, tag):
    """By If-Range where the server has a strong tag; else the hash tells that the parts of two
    states were joined."""
    answer = Ranged(b"before  " * 1000, tag, cut=HALF)

    def changed(seconds):
        answer.body, answer.tag, answer.cut = BODY, tag.replace("one", "two"), None

    with serving({"/w.npy": answer}) as (base, _):
        _, path = fetch(file_at(f"{base}/w.npy"), tmp_path, patience=hurried(changed))
    assert path.read_bytes() == BODY
    assert answer.asked == [None, f"bytes={HALF}-"] + ([] if tag == '"one"' else [None])


def test_a_range_of_another_state_is_not_joined(tmp_path):
    """A server that heeds Range but not If-Range, and says another tag; no hash would tell."""
    before = Ranged(b"before  " * 1000, cut=HALF)

    def changed(handler):
        head = {"Content-Range": f"bytes {HALF}-{len(BODY) - 1}/{len(BODY)}", "ETag": '"two"'}
        send(handler, BODY[HALF:], head | {"Content-Length": HALF}, 206)

    whole = Ranged(BODY, '"two"')
    card = tmp_path / "net.yaml"
    with serving({"/w.npy": [before, changed, whole]}) as (base, _):
        card.write_text(f"weights: {{name: w.npy, url: {base}/w.npy}}\n")
        pins.pin(card, lambda tree: [tree["weights"]], hurried())
    assert f"sha256: {SHA}" in card.read_text()
    assert whole.asked == [None]


def test_a_part_that_is_whole_costs_no_byte(tmp_path):
    """As a kill between the last byte and the renaming leaves it."""
    answer = Ranged(BODY)
    part = store_folder() / "downloads" / f"sha256-{SHA}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY)
    with serving({"/w.npy": answer}) as (base, log):
        fetch(file_at(f"{base}/w.npy"), tmp_path)  # its size unknown: the server tells by 416
        assert answer.asked == [f"bytes={len(BODY)}-"]
        (store_folder() / "downloads" / f"sha256-{SHA}").unlink()
        part.write_bytes(BODY)
        fetch(file_at(f"{base}/w.npy", size=len(BODY)), tmp_path)
        assert len(log) == 1


@pytest.mark.parametrize("left", [b"rubbish", BODY + b"more", b"x" * len(BODY)])
@pytest.mark.parametrize("size", [0, len(BODY)])
def test_a_part_of_another_file_is_given_up(tmp_path, left, size):
    part = store_folder() / "downloads" / f"sha256-{SHA}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    answer = Ranged(BODY)
    with serving({"/w.npy": answer}) as (base, _):
        _, path = fetch(file_at(f"{base}/w.npy", size=size), tmp_path)
    assert path.read_bytes() == BODY
    assert not part.exists()
    # A size tells, without asking, that nothing is to be continued.
    assert answer.asked[-1] is None
    assert len(answer.asked) == (1 if size and len(left) >= size else 2)


def test_cuts_without_end_are_given_up_and_what_came_stays(tmp_path):
    slept = []
    answer = Ranged(BODY, cut=100)
    with serving({"/w.npy": answer}) as (base, _):
        refused(
            file_at(f"{base}/w.npy"), tmp_path, r"cut after 400 of 8,000", hurried(slept.append)
        )
    assert slept == [1, 2, 4]
    assert kept() == [f"sha256-{SHA}.part"]
    assert (store_folder() / "downloads" / kept()[0]).read_bytes() == BODY[:400]


def test_cuts_of_a_large_file_count_from_the_last_that_brought_much(tmp_path):
    large = BODY * 1100  # 8.8 MB: eight cuts, twice what is borne of small ones
    answer = Ranged(large, cut=1 << 20)
    sha256 = hashlib.sha256(large).hexdigest()
    with serving({"/w.npy": answer}) as (base, _):
        _, path = fetch(file_at(f"{base}/w.npy", sha256=sha256), tmp_path)
    assert path.read_bytes() == large
    assert len(answer.asked) == 9


def test_a_server_that_cuts_all_and_continues_nothing_is_given_up(tmp_path):
    """What a restart brings again is no progress."""
    large, asked = BODY * 300, []

    def answer(handler):
        asked.append(handler.headers.get("Range"))
        if len(asked) > 20:
            handler.send_error(404)
        elif asked[-1]:
            send(
                handler, b"", {"Content-Range": f"bytes 7-9/{len(large)}", "Content-Length": 3}, 206
            )
        else:
            send(handler, large[: 2 << 20], {"Content-Length": len(large)})

    sha256 = hashlib.sha256(large).hexdigest()
    with serving({"/w.npy": answer}) as (base, _):
        refused(file_at(f"{base}/w.npy", sha256=sha256), tmp_path, r"sends others|cut after 2,097,")
    assert len(asked) == 5


# Faults that pass, and those that do not


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_tried_again_ever_later(tmp_path, status):
    slept = []
    with serving({"/w.npy": [status, status, status, BODY]}) as (base, _):
        fetch(file_at(f"{base}/w.npy"), tmp_path, patience=hurried(slept.append))
    assert slept == [1, 2, 4]
    with serving({"/w.npy": status}) as (base, log):
        file = file_at(f"{base}/w.npy", sha256="0" * 64)
        with pytest.raises(InputError, match=f"HTTP {status} "):
            fetch(file, tmp_path, patience=hurried())
    assert len(log) == 4


def asks_for(wait):
    return lambda handler: send(handler, b"", {"Retry-After": wait, "Content-Length": 0}, 503)


def test_a_server_is_left_alone_as_long_as_it_asks(tmp_path):
    slept = []
    until = email.utils.formatdate(time.time() + 60, usegmt=True)
    answers = [asks_for("7"), asks_for(until), asks_for("next week"), BODY]
    with serving({"/w.npy": answers}) as (base, _):
        fetch(file_at(f"{base}/w.npy"), tmp_path, patience=hurried(slept.append))
    assert slept == [7, pytest.approx(60, abs=5), 4]


def test_a_server_that_asks_for_too_long_is_not_waited_for(tmp_path):
    with serving({"/a": asks_for("86400")}) as (base, log):
        refused(file_at(f"{base}/a"), tmp_path, r"asks to be left alone for 86,400 s\)")
    assert len(log) == 1


def test_addresses_are_tried_in_their_order(tmp_path):
    answers = {"/gone": 404, "/other": b"another file", "/cut": (BODY[:HALF], len(BODY))}
    last = Ranged(BODY)
    with serving(answers | {"/w.npy": last}) as (base, log):
        addresses = [f"{base}/{name}" for name in ("gone", "other", "cut", "w.npy")]
        _, path = fetch(file_at(*addresses), tmp_path)
        assert path.read_bytes() == BODY
        assert list(dict.fromkeys(log)) == ["/gone", "/other", "/cut", "/w.npy"]
        # What the one before gave is continued: the hash is of the whole.
        assert last.asked == [f"bytes={HALF}-"]


def test_what_each_address_said_is_in_the_sentence(tmp_path):
    with serving({"/other": b"another file"}) as (base, _):
        sentence = refused(file_at(f"{base}/gone", f"{base}/other"), tmp_path, "can't be had from")
    assert (
        f"from {base}/gone (HTTP 404 Not Found), nor from {base}/other (it has sha256" in sentence
    )
    assert kept() == []


# Bytes that are not the file's


def test_a_wrong_size_is_refused_before_a_byte_is_taken(tmp_path):
    with serving({"/w.npy": BODY}) as (base, log):
        refused(file_at(f"{base}/w.npy", size=9), tmp_path, "it has 8,000 bytes, expected 9")
    assert len(log) == 1
    assert kept() == []


def test_a_file_that_goes_on_for_ever_is_stopped_at_its_size(tmp_path):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()  # no length: until the connection ends
        while len(sent) < 10_000:
            sent.append(handler.wfile.write(BODY))

    with serving({"/w.npy": endless}) as (base, _):
        match = "it sends more than the 20,000 bytes expected"
        refused(file_at(f"{base}/w.npy", size=20_000), tmp_path, match)
    assert len(sent) < 10_000
    assert kept() == []


def test_a_file_of_no_said_length_is_whole_when_it_has_its_size(tmp_path):
    def unsaid(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(BODY)

    def chunked(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"".join(b"%x\r\n%s\r\n" % (len(b), b) for b in (BODY, b"")))
        handler.close_connection = True

    for name, answer in {"unsaid": unsaid, "chunked": chunked}.items():
        with serving({"/w.npy": answer}) as (base, _):
            (tmp_path / name).mkdir()
            _, path = fetch(file_at(f"{base}/w.npy", size=len(BODY)), tmp_path / name)
        assert path.read_bytes() == BODY
        (store_folder() / "downloads" / f"sha256-{SHA}").unlink()


PAGE = b"\n<!DOCTYPE html><html><body>Please sign in</body></html>"


def page(handler):
    send(handler, PAGE, {"Content-Type": "text/html; charset=utf-8"})


@pytest.mark.parametrize("size", [0, len(BODY)])
def test_a_redirect_to_an_error_page_is_no_file(tmp_path, size):
    with serving({"/w.npy": redirect("/sorry"), "/sorry": page}) as (base, log):
        sentence = refused(file_at(f"{base}/w.npy", size=size), tmp_path, "web page")
    assert f"{base}/sorry, where it leads, answers with a web page, not with the file" in sentence
    assert log == ["/w.npy", "/sorry"]


def test_an_error_page_of_no_type_costs_nothing_of_what_came(tmp_path):
    """As a network that asks to sign in answers, for a while, to anything."""
    answer = Ranged(BODY, cut=HALF)
    patience = hurried(tries=1)
    with serving({"/w.npy": [answer, PAGE, answer]}) as (base, _):
        file = file_at(f"{base}/w.npy")
        refused(file, tmp_path, "cut after", patience)
        refused(file, tmp_path, "it answers with a web page", patience)
        fetch(file, tmp_path, patience=patience)
    assert answer.asked == [None, f"bytes={HALF}-"]


def test_a_page_is_never_pinned(tmp_path):
    card = tmp_path / "net.yaml"
    with serving({"/w.npy": page}) as (base, _):
        card.write_text(f"weights: {{name: w.npy, url: {base}/w.npy}}\n")
        with pytest.raises(InputError, match="it answers with a web page"):
            pins.pin(card, lambda tree: [tree["weights"]], hurried())
    assert "sha256" not in card.read_text()


@pytest.mark.parametrize("tag", ['"one"', "", 'W/"weak"'])
def test_what_no_hash_guards_is_continued_by_its_tag_alone(tmp_path, tag):
    answer = Ranged(BODY, tag, cut=HALF)

    def mended(seconds):
        answer.cut = None

    card = tmp_path / "net.yaml"
    with serving({"/w.npy": answer}) as (base, _):
        card.write_text(f"weights:\n  name: w.npy\n  url: [{base}/gone, {base}/w.npy]\n")
        pins.pin(card, lambda tree: [tree["weights"]], hurried(mended))
    assert f"sha256: {SHA}" in card.read_text()
    assert answer.asked == [None, f"bytes={HALF}-" if tag == '"one"' else None]


# Redirects, certificates, proxies


def test_a_redirect_is_followed_and_its_range_with_it(tmp_path):
    answer = Ranged(BODY, cut=HALF)
    with serving({"/w.npy": redirect("/moved"), "/moved": answer}) as (base, _):
        fetch(file_at(f"{base}/w.npy"), tmp_path)
    assert answer.asked == [None, f"bytes={HALF}-"]


def test_redirects_in_a_circle_end(tmp_path):
    with serving({"/a": redirect("/b"), "/b": redirect("/a")}) as (base, log):
        refused(file_at(f"{base}/a"), tmp_path, "it redirects without end: Found")
    assert len(log) < 12


def test_the_body_of_a_redirect_is_not_read(tmp_path):
    sent = []

    def endless(handler):
        handler.send_response(302)
        handler.send_header("Location", "/w.npy")
        handler.end_headers()
        while len(sent) < 10_000:
            sent.append(handler.wfile.write(BODY))

    with serving({"/a": endless, "/w.npy": BODY}) as (base, _):
        fetch(file_at(f"{base}/a"), tmp_path)
    assert len(sent) < 10_000


def test_what_a_server_says_can_drive_no_terminal(tmp_path):
    def answer(handler):
        handler.send_response(404, "\x1b[2J\x07gone")
        handler.end_headers()

    with serving({"/w.npy": answer}) as (base, _):
        refused(file_at(f"{base}/w.npy"), tmp_path, r"\(HTTP 404 \?\[2J\?gone\)")


def test_a_redirect_to_a_file_of_this_machine_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(BODY)
    with serving({"/a": redirect((tmp_path / "secret").as_uri())}) as (base, _):
        refused(file_at(f"{base}/a"), tmp_path, "HTTP 302 ")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority):
    """The SSLContext of a server that has a certificate of `authority` for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    with authority.cert_pem.tempfile(dir=tmp_path) as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        yield


def test_a_certificate_of_nobody_known_is_refused(tmp_path, tls):
    with serving({"/w.npy": BODY}, tls) as (base, log):
        match = r"its certificate is not trusted: .*\$SSL_CERT_FILE"
        slept = []
        refused(file_at(f"{base}/w.npy"), tmp_path, match, hurried(slept.append))
        with pytest.raises(InputError, match=match):
            mirrors.find(base)
    assert log == slept == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_a_named_authority_is_taken(tmp_path, tls):
    with serving({"/w.npy": BODY}, tls) as (base, _):
        _, path = fetch(file_at(f"{base}/w.npy"), tmp_path)
    assert path.read_bytes() == BODY


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_host_is_refused(tmp_path, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("files.example").configure_cert(context)
    with serving({"/w.npy": BODY}, context) as (base, _):
        refused(file_at(f"{base}/w.npy"), tmp_path, "certificate is not trusted: IP address mis")


@pytest.mark.usefixtures("trusted")
def test_a_redirect_from_https_to_http_is_refused(tmp_path, tls):
    with serving({"/w.npy": BODY}) as (plain, log):
        answers = {"/a": redirect(f"{plain}/w.npy"), "/b": redirect("/c"), "/c": BODY}
        with serving(answers, tls) as (base, _):
            refused(file_at(f"{base}/a"), tmp_path, f"it redirects from https to {plain}/w.npy, wh")
            assert log == []
            fetch(file_at(f"{base}/b"), tmp_path)


@pytest.mark.usefixtures("trusted")
def test_a_redirect_from_http_to_https_is_followed(tmp_path, tls):
    with (
        serving({"/w.npy": BODY}, tls) as (secure, _),
        serving({"/w.npy": redirect(f"{secure}/w.npy")}) as (base, _),
    ):
        fetch(file_at(f"{base}/w.npy"), tmp_path)


def test_proxies_of_the_environment_are_used(tmp_path, monkeypatch):
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            send(self, BODY, {"Content-Length": len(BODY)})

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        fetch(file_at("http://files.invalid/w.npy"), tmp_path)
        assert asked == ["http://files.invalid/w.npy"]
        (store_folder() / "downloads" / f"sha256-{SHA}").unlink()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with serving({"/w.npy": BODY}) as (base, log):
            fetch(file_at(f"{base}/w.npy"), tmp_path)
        assert (len(asked), log) == (1, ["/w.npy"])
        proxy.shutdown()


@pytest.mark.usefixtures("trusted")
def test_a_proxy_only_passes_on_what_is_encrypted(tmp_path, monkeypatch, tls):
    asked = []

    class Tunnel(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            asked.append(self.path)
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port))) as server:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=relay, args=(server, self.connection), daemon=True)
                back.start()
                relay(self.connection, server)
                back.join(5)

        def log_message(self, *args):
            pass

    def relay(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tunnel) as proxy,
        serving({"/w.npy": BODY}, tls) as (base, log),
    ):
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        _, path = fetch(file_at(f"{base}/w.npy"), tmp_path)
        proxy.shutdown()
    assert path.read_bytes() == BODY
    assert (asked, log) == ([base.removeprefix("https://")], ["/w.npy"])


# Time


def stalls_after(count):
    """(answer, event): one that sends `count` bytes of BODY, then waits for the event."""
    end = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:count])
        end.wait(20)

    return answer, end


def test_a_stall_ends_by_the_time_out_and_is_resumed(tmp_path):
    stalls, end = stalls_after(HALF)
    answer = Ranged(BODY)
    with serving({"/w.npy": [stalls, answer]}) as (base, _):
        fetch(file_at(f"{base}/w.npy"), tmp_path, patience=hurried(timeout=0.3))
        end.set()
    assert answer.asked == [f"bytes={HALF}-"]


def test_a_server_that_never_answers_is_given_up(tmp_path):
    end = threading.Event()
    with serving({"/w.npy": lambda handler: end.wait(20)}) as (base, _):
        patience = hurried(timeout=0.2, tries=2)
        refused(file_at(f"{base}/w.npy"), tmp_path, r"no answer in 0\.2 s", patience)
        end.set()


def trickle(handler, data, end, every=0.05):
    for byte in data:
        if end.wait(every):
            return
        handler.wfile.write(bytes([byte]))


def test_a_trickle_of_bytes_is_given_up(tmp_path):
    """Each byte comes in time, the file never would."""
    end = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        trickle(handler, BODY, end)

    with serving({"/w.npy": answer}) as (base, _):
        patience = hurried(timeout=5, window=0.5, tries=1)
        match = r"it sent \d+ bytes in [01] s, too slow to wait for"
        refused(file_at(f"{base}/w.npy"), tmp_path, match, patience)
        end.set()


def test_a_trickle_of_headers_is_given_up(tmp_path):
    end = threading.Event()

    def answer(handler):
        trickle(handler, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 4000, end)

    with serving({"/w.npy": answer}) as (base, _):
        patience = hurried(timeout=0.5, tries=1)
        began = time.monotonic()
        refused(file_at(f"{base}/w.npy"), tmp_path, r"no answer in 0\.5 s", patience)
        assert time.monotonic() - began < 5
        end.set()


@contextlib.contextmanager
def dribbling(data):
    """The port of a server that answers whatever it is sent with `data`, byte by byte."""
    end = threading.Event()

    def serve():
        with contextlib.suppress(OSError), server.accept()[0] as client:
            client.recv(65536)
            for byte in data:
                client.sendall(bytes([byte]))
                if end.wait(0.05):
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        end.set()


# The head of a TLS record (RFC 8446, 5.1), a handshake of 4,000 bytes, and what it should hold.
HANDSHAKE = b"\x16\x03\x03" + (4000).to_bytes(2, "big") + b"\x02" + bytes(3999)


@pytest.mark.parametrize("by_proxy", [False, True], ids=["handshake", "connect"])
def test_a_trickle_before_the_answer_is_given_up(tmp_path, monkeypatch, by_proxy):
    with dribbling(b"HTTP/1.1 200 " + b"O" * 4000 if by_proxy else HANDSHAKE) as port:
        if by_proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        patience = hurried(timeout=0.5, tries=1)
        began = time.monotonic()
        address = f"https://127.0.0.1:{9 if by_proxy else port}/w.npy"
        refused(file_at(address), tmp_path, r"no answer in 0\.5 s", patience)
        assert time.monotonic() - began < 5


def test_time_spent_on_writing_is_not_the_servers(tmp_path, monkeypatch):
    append = parts.Part.append

    def slow(part, chunk):
        time.sleep(0.4)
        append(part, chunk)

    monkeypatch.setattr(parts.Part, "append", slow)
    with serving({"/w.npy": BODY}) as (base, _):
        fetch(file_at(f"{base}/w.npy"), tmp_path, patience=hurried(window=0.3, rate=1e6))


# The list of a mirror


def test_a_mirrors_list_is_whole_or_refused(tmp_path):
    lines = f"{SHA}  w.npy\n{'0' * 64}  other.npy\n".encode()
    with serving({"/SHA256SUMS": [(lines[:67], len(lines)), lines]}) as (base, _):
        assert set(mirrors.find(base, hurried()).sums) == {"w.npy", "other.npy"}
    faults = {
        r"SHA256SUMS can't be read \(cut after 67 of": (lines[:67], len(lines)),
        r"it sends more than the 16,777,216 bytes": lines * 2**18,
    }
    for match, answer in faults.items():
        with (
            serving({"/SHA256SUMS": answer}) as (base, _),
            pytest.raises(InputError, match=match),
        ):
            mirrors.find(base, hurried())


def test_the_published_size_says_nothing_of_a_mirrors_own_file(tmp_path):
    with serving({"/w.npy": BODY}) as (base, _):
        mirror = Mirror(base, {"w.npy": SHA})
        line, _ = fetch(File("w.npy", sha256="0" * 64, size=9), tmp_path, mirror)
    assert line["origin"] == "mirror"
