"""A server that speaks the protocols of Google Cloud Translation v3 and of OpenAI, for tests.

It knows a few sentences in three languages, so that what it says is really in a language. It
counts what it is asked and what it answers, and misbehaves where a plan says so.
"""

import json
import re

from known_sentences import BOILING, in_language
from planned_server import PlannedHandler, PlannedServer

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


class TranslationServer(PlannedServer):
    """The two services at `url`; use as a context.

    A step of its plan is one of FALSE_ANSWERS or ERRORS; a status; (status, headers, details);
    "cut", "drop", "hang"; a finish_reason in capitals.
    """

    def __init__(self):
        super().__init__(_Handler)


class _Handler(PlannedHandler):
    def do_POST(self):
        body = self.read_json()
        try:
            read = read_google if GOOGLE.fullmatch(self.path) else read_openai
            text, target, wrap = read(self.path, self.headers, body)
        except (AssertionError, KeyError, StopIteration) as error:
            self.fail(400, f"malformed request: {error!r}")
            return
        with self.server.working_on(text) as step:
            self.act(step, text, target, wrap)

    def act(self, step, text, target, wrap):
        if step is None:
            step = "translate"
        if step == "hang":
            self.hang()
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
