"""A server that speaks the protocols of Google Cloud Translation v3 and of OpenAI, for tests.

It knows a few sentences in three languages, so that what it says is really in a language. It
counts what it is asked and what it answers, and misbehaves where a plan says so.
"""

import collections
import contextlib
import http.server
import json
import re
import socket
import sys
import threading

from known_sentences import BOILING, in_language

GOOGLE = re.compile(r"/v3/projects/([^/]+)/locations/([^/]+):translateText(?:\?.*)?")
LANGUAGES = {"fi": "Finnish", "zh": "Chinese", "es": "Spanish"}

# What may be wrong with an answer that has the form of one.
FALSE_ANSWERS = {
    "wrong language": lambda text, target: in_language(text, "es"),
    "empty": lambda text, target: "",
    "copy": lambda text, target: text,
    "lost marker": lambda text, target: in_language(text, target).replace("⟦0⟧", ""),
    "doubled marker": lambda text, target: in_language(text, target) + " ⟦0⟧",
    "altered marker": lambda text, target: in_language(text, target).replace("⟦0⟧", "【0】"),
    "another sentence": lambda text, target: in_language(BOILING, target),
    "thought": lambda text, target: f"<think></think>\n\n{in_language(text, target)}",
    "introduced": lambda text, target: f"Here is the translation:\n\n{in_language(text, target)}",
    "noted": lambda text, target: f"{in_language(text, target)}\n\n(Note: I kept the style.)",
    "wordy": lambda text, target: " ".join([in_language(text, target)] * 4),
}
# (status, message, code) of errors; a number in the plan is a status.
ERRORS = {
    "quota of a minute": (403, "User Rate Limit Exceeded", None),
    "no credit": (429, "You exceeded your current quota", "insufficient_quota"),
    "filtered prompt": (400, "The prompt was filtered", "content_filter"),
}


class TranslationServer(http.server.ThreadingHTTPServer):
    """The two services at `url`; use as a context.

    Attributes:
      plan: text -> what to do at each request for it, first things first; then it behaves. One
        of FALSE_ANSWERS or ERRORS; a status; (status, headers, details); "cut", "drop", "hang";
        a finish_reason in capitals.
      asked, answered: how often a text came, and was answered with a whole translation.
      most_at_once: requests that were worked on at the same time, at most.
      gate: None, or what is called with each text, and waited for, before it is answered.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
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
            step = self.plan[text].pop(0) if self.plan[text] else "translate"
        try:
            if self.gate:
                self.gate(text)
            yield step
        finally:
            with self.lock:
                self.at_once -= 1


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # it holds small answers back for 40 ms

    def log_message(self, *arguments):
        """Keeps quiet."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            read = read_google if GOOGLE.fullmatch(self.path) else read_openai
            text, target, wrap = read(self.path, self.headers, body)
        except (AssertionError, KeyError, StopIteration) as error:
            self.fail(400, f"malformed request: {error!r}")
            return
        with self.server.working_on(text) as step:
            self.act(step, text, target, wrap)

    def act(self, step, text, target, wrap):
        if step == "hang":
            self.server.closing.wait(10)
            self.leave()
        elif step == "drop":
            self.leave()
        elif step == "cut":
            content = json.dumps(wrap(in_language(text, target), "stop")).encode()
            self.send(200, content, {}, cut_at=len(content) // 2)
            self.leave()
        elif isinstance(step, int):
            self.fail(step, "no luck")
        elif isinstance(step, tuple):
            status, headers, details = step
            self.fail(status, "no luck", headers=headers, details=details)
        elif step in ERRORS:
            status, message, code = ERRORS[step]
            self.fail(status, message, code)
        elif step.isupper():
            self.send(200, json.dumps(wrap("Tämä on", step.lower())).encode(), {})
        else:
            said = FALSE_ANSWERS.get(step, in_language)(text, target)
            with self.server.lock:
                self.server.answered[text] += 1
            self.send(200, json.dumps(wrap(said, "stop"), ensure_ascii=False).encode(), {})

    def fail(self, status, message, code=None, headers=None, details=()):
        error = {"code": code or status, "message": message, "details": list(details)}
        self.send(status, json.dumps({"error": error}).encode(), headers or {})

    def send(self, status, content, headers, cut_at=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:cut_at])
        self.wfile.flush()

    def leave(self):
        """Closes the connection under the client's hands."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def read_google(path, headers, body):
    """Returns the text, the target, and what makes an answer of a translation."""
    project, location = GOOGLE.fullmatch(path).groups()
    model = body["model"]
    assert model == f"projects/{project}/locations/{location}/models/general/nmt", model
    assert body["mimeType"] == "text/plain", body
    assert body["sourceLanguageCode"] == "en", body
    (text,) = body["contents"]
    return (
        text,
        body["targetLanguageCode"],
        lambda said, _: {"translations": [{"translatedText": said, "model": model}]},
    )


def read_openai(path, headers, body):
    """Returns the text, the target, and what makes an answer of a translation."""
    assert path == "/v1/chat/completions", path
    assert headers["Authorization"].startswith("Bearer "), headers
    assert body["temperature"] == 0, body
    system, user = body["messages"]
    assert (system["role"], user["role"]) == ("system", "user"), body
    target = next(code for code, name in LANGUAGES.items() if f"into {name}" in system["content"])

    def wrap(said, finish_reason):
        message = {"role": "assistant", "content": said}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        }

    return user["content"], target, wrap
