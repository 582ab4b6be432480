"""Connections to servers: verified, through the proxies of the environment, and bounded in time.

Certificates are verified, by the authorities of the system or of $SSL_CERT_FILE; proxies are those
of $HTTP_PROXY, $HTTPS_PROXY and $NO_PROXY.  A redirect may not lead from https to http.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request


class RedirectError(OSError):
    """A redirect that is not followed."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    inf_msg = "it redirects without end: "

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise RedirectError(
                f"it redirects from https to {newurl}, where anyone may change the file"
            )
        fp.close()  # else urllib reads the whole body of the redirect, however long
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _InTime:
    """A connection by which a proxy's word and the head of the answer must be whole in time."""

    def _tunnel(self):
        with _in_time(self.sock, self.timeout):
            super()._tunnel()

    def getresponse(self):
        with _in_time(self.sock, self.timeout):
            return super().getresponse()


class _Connection(_InTime, http.client.HTTPConnection):
    pass


class _SecureConnection(_InTime, http.client.HTTPSConnection):
    """As HTTPSConnection, but that shaking hands must be done in time as well."""

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(
            self.sock,
            server_hostname=self._tunnel_host or self.host,
            do_handshake_on_connect=False,
        )
        with _in_time(self.sock, self.timeout):
            self.sock.do_handshake()


@contextlib.contextmanager
def _in_time(sock, seconds):
    """Context that ends `sock` and raises TimeoutError after so many seconds: the time-out of a
    socket starts anew with each byte."""
    late = threading.Event()

    def end():
        late.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request):
        return self.do_open(_Connection, request)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request):
        return self.do_open(_SecureConnection, request, context=ssl.create_default_context())


def opener():
    """What opens addresses, made anew each time: it reads the proxies as it is made."""
    return urllib.request.build_opener(_Http, _Https, _Redirects)
