"""HTTP servers on localhost that tests download from."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(answers):
    """A server on localhost that gives `answers` {path: bytes or status}; yields (base, log)."""
    log = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            log.append(self.path)
            answer = answers.get(self.path, 404)
            if isinstance(answer, list):  # one answer after another
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, int):
                self.send_error(answer)
                return
            body, length = answer if isinstance(answer, tuple) else (answer, len(answer))
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        server.server_close()
