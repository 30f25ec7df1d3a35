"""An HTTP server for tests that counts what it is asked, and does what a plan says."""

import collections
import contextlib
import http.server
import json
import socket
import sys
import threading


class PlannedServer(http.server.ThreadingHTTPServer):
    """What answers at `url`; use as a context.

    Attributes:
      plan: text -> what to do at each request for it, first things first; then it behaves.
      asked, answered: how often a text came, and was answered as it should be.
      most_at_once: requests that were worked on at the same time, at most.
      gate: None, or what is called with each text, and waited for, before it is answered.
    """

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.plan = collections.defaultdict(list)
        self.asked = collections.Counter()
        self.answered = collections.Counter()
        self.at_once = self.most_at_once = 0
        self.gate = None
        self.errors = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.closing.set()
        self.shutdown()
        self.thread.join()
        self.server_close()
        if self.errors:
            raise self.errors[0]

    def handle_error(self, request, client_address):
        """Keeps its own errors for the end; that clients leave is what some tests are about."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.errors.append(error)

    @contextlib.contextmanager
    def working_on(self, text):
        """Counts a request; yields what the plan has for it."""
        with self.lock:
            self.asked[text] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            step = self.plan[text].pop(0) if self.plan[text] else None
        try:
            if self.gate:
                self.gate(text)
            yield step
        finally:
            with self.lock:
                self.at_once -= 1


class PlannedHandler(http.server.BaseHTTPRequestHandler):
    """Answers once, and closes the connection under the client's hands where it is told to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it holds small answers back for 40 ms

    def log_message(self, *arguments):
        """Keeps quiet."""

    def read_json(self):
        """Returns the body of the request."""
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def hang(self):
        """Answers nothing until the server closes, or for ten seconds."""
        self.server.closing.wait(10)
        self.leave()

    def send(self, status, content, headers, cut_at=None):
        """Sends an answer, or its beginning."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:cut_at])
        self.wfile.flush()

    def leave(self):
        """Closes the connection under the client's hands."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
