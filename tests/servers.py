"""HTTP servers on localhost that tests download from, well-behaved or not."""

import contextlib
import http.server
import re
import threading


@contextlib.contextmanager
def serving(answers, tls=None):
    """A server on localhost; yields (base, log), `log` being the paths asked for.

    answers: {path: answer}, an answer being bytes, (bytes, declared length), a status, a function
    that is given the request's handler, or a list of these, the last of which stays; tls: the
    SSLContext of a server of https.
    """
    log = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            log.append(self.path)
            answer = answers.get(self.path, 404)
            if isinstance(answer, list):  # one answer after another
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if callable(answer):
                answer(self)
            elif isinstance(answer, int):
                self.send_error(answer)
            else:
                body, length = answer if isinstance(answer, tuple) else (answer, len(answer))
                send(self, body, {"Content-Length": length})

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # clients that turn away are what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    # Stopped within that many seconds, by default half a second for each of many tests.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        server.server_close()


def send(handler, body, head=(), status=200):
    """Answers with `status`, the headers `head` {name: value} and the bytes `body`."""
    handler.send_response(status)
    for name, value in dict(head).items():
        handler.send_header(name, str(value))
    handler.end_headers()
    handler.wfile.write(body)


def redirect(address):
    """The answer that sends to `address`."""
    return lambda handler: send(handler, b"", {"Location": address}, 302)


class Ranged:
    """The answer of a server that continues a file where it is asked to, by RFC 9110.

    `body` and `tag` (an ETag; "": none) may change between requests; `cut`: bytes after which each
    answer ends too early; `asked`: the values of Range so far, None where there was none.
    """

    def __init__(self, body, tag='"one"', cut=None):
        self.body, self.tag, self.cut = body, tag, cut
        self.asked = []

    def __call__(self, handler):
        asked, known = handler.headers.get("Range"), handler.headers.get("If-Range")
        self.asked.append(asked)
        head = {"ETag": self.tag} if self.tag else {}
        body = self.body
        if not asked or known not in (None, self.tag):
            send(handler, body[: self.cut], head | {"Content-Length": len(body)})
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
        if start >= len(body):
            send(handler, b"", head | {"Content-Range": f"bytes */{len(body)}"}, 416)
            return
        head |= {
            "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}",
            "Content-Length": len(body) - start,
        }
        send(handler, body[start:][: self.cut], head, 206)
