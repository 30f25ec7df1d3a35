"""A service that judges by OpenAI's protocol, and all the ways in which services misbehave.

    python tests/judging_service.py

prints as Markdown what comes out of each, which is the table of docs/judging.md.
"""

import datetime
import email.utils
import json
import re
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from planned_server import PlannedHandler, PlannedServer

from pinch_jax.errors import UserError
from pinch_jax.judge.api import ApiJudge
from pinch_jax.judge.config import JudgeConfig
from pinch_jax.judge.prompt import read_wording
from pinch_jax.judge.protocol import Pair

# What the most probable tokens are, when nothing is wrong: odds of 1.5.
TOP = (("A", -0.25), ("B", -1.75), ("The", -4.0))
HTML = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"


def pair(name, first="one response", second="another response"):
    record = {"id": name, "language": "en", "prompt": f"This is case <{name}>."}
    return Pair(record, first, second)


def config_of(url, **changes):
    fields = {
        "kind": "api",
        "model": "small",
        "prompt_language": "en",
        "template": "",
        "language_gate": False,
        "certificate": "",
        "dtype": "float32",
        "base_url": f"{url}/v1",
        "requests_per_second": 1e4,
        "concurrency": 1,
        "attempts": 2,
        "wait_seconds": 0.0,
        "timeout_seconds": 5.0,
        "price_per_million_tokens": 0.0,
        "budget": 0.0,
    }
    return JudgeConfig(**fields | changes)


def judge_of(url, cache, **changes):
    return ApiJudge("mine", config_of(url, **changes), read_wording(), cache)


def tokens(*tops):
    """Returns the log-probabilities of so many tokens, each the first of its most probable ones."""
    told = [[{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in top] for top in tops]
    return {"content": [top[0] | {"top_logprobs": top} for top in told]}


def completion(text="A", logprobs=None, finish_reason="stop", **message):
    told = {"role": "assistant", "content": text} | message
    choice = {"index": 0, "finish_reason": finish_reason, "message": told, "logprobs": logprobs}
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    return {"object": "chat.completion", "model": "small-1", "choices": [choice], "usage": usage}


def well(body):
    """Returns what a good service answers."""
    assert ("max_tokens" in body) != ("max_completion_tokens" in body)
    if body.get("logprobs"):
        assert body["top_logprobs"] in (5, 20)
        return completion("A", tokens(TOP, (("<end>", -0.1),)))
    return completion('{"answer": "A"}' if "response_format" in body else "A")


class JudgingService(PlannedServer):
    """A step of its plan is what it answers: a completion, bytes, an `Error`, "reset" or "hang"."""

    def __init__(self):
        super().__init__(_Handler)
        self.bodies = []


class Error(NamedTuple):
    status: int
    told: Any = None
    headers: Any = MappingProxyType({})


class _Handler(PlannedHandler):
    def do_POST(self):
        body = self.read_json()
        assert self.path == "/v1/chat/completions", self.path
        (message,) = body["messages"]
        name = re.search("case <(.+?)>", message["content"])[1]
        with self.server.working_on(name) as step:
            self.server.bodies.append(body)
            step = well(body) if step is None else step(body) if callable(step) else step
            if step == "reset":
                self.leave()
            elif step == "hang":
                self.hang()
            elif isinstance(step, Error):
                told = step.told if isinstance(step.told, dict) else {"message": step.told}
                self.send(step.status, json.dumps({"error": told}).encode(), dict(step.headers))
            else:
                with self.server.lock:
                    self.server.answered[name] += 1
                content = step if isinstance(step, bytes) else json.dumps(step).encode()
                kind = "text/html" if content.startswith(b"<") else "application/json"
                kind = "text/event-stream" if content.startswith(b"data:") else kind
                self.send(200, content, {"Content-Type": kind})


def without(field, **change):
    """Returns a good answer that lacks a field, or has another value there."""
    told = completion("A", tokens(TOP))
    told.pop(field)
    return told | change


def in_a_second(_):
    """Returns a 429 with a date in Retry-After."""
    date = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    return Error(429, "slow down", {"Retry-After": email.utils.format_datetime(date, usegmt=True)})


def refuses(name):
    """Returns what a service does that is good but for a parameter that it does not know."""
    told = f"Unsupported parameter: '{name}' is not supported with this model."
    error = Error(400, {"message": told, "param": name, "code": "unsupported_parameter"})
    return lambda body: error if name in body else well(body)


NO_LOGPROBS = refuses("logprobs")
NO_SCHEMA = Error(400, "response_format: json_schema is not supported")
ODDS, NO_ODDS = "verdict A, log-odds {:.2f}", "verdict A, no log-odds"
WHO = "config.judges.mine.model='small'"
FIELDS = "config.judges.mine.model and config.judges.mine.base_url"
NONE = "no verdict: "

# What goes wrong -> what the service does, request by request; what comes out; requests.
CASES = {
    # A verdict with log-odds.
    "nothing": ([], ODDS.format(1.5), 1),
    "nothing, and the answer is B": (
        [completion("B", tokens((("B", -0.5), ("A", -1.25), (" A", -3.25))))],
        "verdict B, log-odds -0.62",
        1,
    ),
    "a token listed twice (vLLM 36660)": (
        [completion("A", tokens((TOP[0], *TOP)))],
        ODDS.format(1.5),
        1,
    ),
    "the token that was chosen with another rounding": (
        [completion("A", {"content": [tokens(TOP)["content"][0] | {"logprob": -0.2500001}]})],
        ODDS.format(1.5),
        1,
    ),
    "labels with blanks and quotes, `▁A`, `ĠB`": (
        [
            completion(
                ' "A"', tokens(((' "', -0.1),), (("A", -1), ("▁A", -1), ("ĠB", -3), ('B"', -3)))
            )
        ],
        ODDS.format(2.0),
        1,
    ),
    "halves of characters among the tokens (Ollama 13497)": (
        [completion("A", tokens((*TOP, ("\ufffd", -5.0), ("", -6.0))))],
        ODDS.format(1.5),
        1,
    ),
    "`a` in lower case among the tokens": (
        [completion("A", tokens((*TOP, ("a", -0.5))))],
        ODDS.format(1.5),
        1,
    ),
    "fewer tokens than asked for (lmdeploy 1548)": (
        [completion("A", tokens(TOP[:2]))],
        ODDS.format(1.5),
        1,
    ),
    "`usage` missing, blanks before the JSON, finish_reason null": (
        [b" \n" + json.dumps(completion("A", tokens(TOP), None) | {"usage": None}).encode()],
        ODDS.format(1.5),
        1,
    ),
    "more than 5 log-probabilities refused (vLLM 5299)": (
        [Error(400, "Cannot request more than 5 logprobs.")],
        ODDS.format(1.5),
        2,
    ),
    "`max_tokens` refused for `max_completion_tokens`": (
        [refuses("max_tokens")] * 2,
        ODDS.format(1.5),
        2,
    ),
    "`temperature` refused": ([refuses("temperature")] * 2, ODDS.format(1.5), 2),
    "the chosen token certain, the list as the model has it": (
        [completion("A", {"content": [tokens(TOP)["content"][0] | {"logprob": 0.0}]})],
        ODDS.format(1.5),
        1,
    ),
    # A verdict without.
    "one label alone among the tokens": (
        [completion("A", tokens((TOP[0], TOP[2])))],
        NO_ODDS,
        1,
    ),
    "-9999 for the other label": (
        [completion("A", tokens((TOP[0], ("B", -9999.0))))],
        NO_ODDS,
        1,
    ),
    "-3.4e38 for the other label (SGLang 5761)": (
        [completion("A", tokens((("A", 0.0), ("B", -3.4028234663852886e38))))],
        NO_ODDS,
        1,
    ),
    "log-probabilities of thoughts (SGLang 25055)": (
        [completion("A", tokens((("<think>", -0.1), ("A", -3), ("B", -4)), TOP))],
        NO_ODDS,
        1,
    ),
    "log-probabilities of thoughts that begin with a label": (
        [completion("A", tokens((("A", -0.1), ("B", -5)), ((" user", -0.1),), TOP))],
        NO_ODDS,
        1,
    ),
    "`logprobs` null (tabbyAPI 430), the text a label": ([completion("A")], NO_ODDS, 1),
    "`logprobs` empty (MAX 6676), the text prose": (
        [completion("The first.", {"content": []})],
        NO_ODDS,
        2,
    ),
    "`logprobs` of the older protocol (llama-cpp-python 1787)": (
        [completion("A", {"tokens": ["A"], "top_logprobs": [{"A": -0.25, "B": -1.75}]})],
        NO_ODDS,
        1,
    ),
    "log-probabilities refused (LiteLLM 7248)": ([NO_LOGPROBS, NO_LOGPROBS], NO_ODDS, 3),
    "501 in the place of 400": (
        [Error(501, "logprobs: not implemented")] * 2,
        NO_ODDS,
        3,
    ),
    "the schema refused too": ([NO_LOGPROBS, NO_LOGPROBS, NO_SCHEMA], NO_ODDS, 4),
    "the schema ignored (Ollama 10001), the text a label": (
        [NO_LOGPROBS, NO_LOGPROBS, completion(" A\n")],
        NO_ODDS,
        3,
    ),
    # None.
    "prose that begins with a label": (
        [completion("A is better, as it", tokens(TOP), "length")],
        NONE + "cut off: 'A is better, as it'",
        1,
    ),
    "a label behind which a service cuts off what it says": (
        [completion("A", tokens(TOP[:2]), "length")],
        NONE + "cut off: 'A'",
        1,
    ),
    "the same behind a label in quotes": (
        [completion('"A"', tokens((('"', -0.1),), TOP[:2], (('"', -0.1),)), "length")],
        NONE + "cut off: '\"A\"'",
        1,
    ),
    "`model_length` (Mistral), `max_tokens` and `MAX_TOKENS` for `length`": (
        [completion("A", tokens(TOP[:2]), "model_length")],
        NONE + "cut off: 'A'",
        1,
    ),
    "a label and blanks up to the limit": (
        [completion("A\n\n", tokens(TOP, *[(("\n", 0.0),)] * 15), "length")],
        ODDS.format(1.5),
        1,
    ),
    "prose": ([completion("The first", tokens(TOP))], NONE + "no label: 'The first'", 1),
    "a label in lower case": ([completion("a", tokens(TOP))], NONE + "no label: 'a'", 1),
    "both labels": ([completion("A B", tokens(TOP))], NONE + "no label: 'A B'", 1),
    "an echo": (
        [completion("one response", tokens(TOP))],
        NONE + "no label: 'one response'",
        1,
    ),
    "`refusal`": (
        [completion(None, None, refusal="I cannot help.")],
        NONE + "the model refuses: I cannot help.",
        1,
    ),
    "finish_reason content_filter": (
        [completion(None, None, "content_filter")],
        NONE + "content filter",
        1,
    ),
    "finish_reason SAFETY or RECITATION behind a label (Gemini)": (
        [completion("A", tokens(TOP), "SAFETY")],
        NONE + "content filter",
        1,
    ),
    "finish_reason error behind a label (OpenRouter)": (
        [completion("A", tokens(TOP), "error")],
        NONE + "error",
        1,
    ),
    "400 content_filter (Azure)": (
        [Error(400, {"message": "The response was filtered.", "code": "content_filter"})],
        NONE + "refused: content_filter; The response was filtered.",
        1,
    ),
    "403 for a flagged prompt (OpenRouter)": (
        [Error(403, "Your input was flagged")],
        NONE + "refused: Your input was flagged",
        1,
    ),
    "a prompt beyond the context, 400 or 500 (llama.cpp 19774)": (
        [Error(500, "Context size has been exceeded.")],
        NONE + "refused: Context size has been exceeded.",
        1,
    ),
    "`choices` empty": ([without("choices", choices=[])], NONE + "no choice", 1),
    "`content` null, all tokens in `reasoning_content` (Rapid-MLX 858)": (
        [completion(None, None, "length", reasoning_content="Hmm")],
        NONE + "no text: finish_reason='length' (thoughts before the answer?)",
        1,
    ),
    "`content` a list (Mistral)": (
        [completion([{"type": "text", "text": "A"}], tokens(TOP))],
        NONE + "no text: finish_reason='stop'",
        1,
    ),
    "a long prompt that is cut, 200 all the same (Ollama 17889)": (
        [completion("A", tokens(TOP))],
        NONE + "a long prompt was cut to 90 tokens; let the service read more",
        1,
    ),
    "a log-probability NaN": (
        [completion("A", tokens((TOP[0], ("B", float("nan")))))],
        NONE + "the log-probability of B is nan",
        1,
    ),
    "a log-probability null (llama.cpp)": (
        [completion("A", tokens((TOP[0], ("B", None))))],
        NONE + "the log-probability of B is None",
        1,
    ),
    "a probability in the place of its logarithm": (
        [completion("A", tokens((("A", 0.8), ("B", 0.2))))],
        NONE + "the log-probability of A is 0.8",
        1,
    ),
    "two labels that are more than certain together": (
        [completion("A", tokens((("A", -0.1), (" A", -1.0), ("B", -0.9))))],
        NONE + "the labels have a probability of 1.68 together",
        1,
    ),
    "a label that the enumeration does not have": (
        [NO_LOGPROBS, NO_LOGPROBS, completion('{"answer": "C"}')],
        NONE + 'no label: \'{"answer": "C"}\'',
        3,
    ),
    "two labels in the JSON": (
        [NO_LOGPROBS, NO_LOGPROBS, completion('{"answer": "A", "answer": "B"}')],
        NONE + 'no label: \'{"answer": "A", "answer": "B"}\'',
        3,
    ),
    "JSON that is cut off": (
        [NO_LOGPROBS, NO_LOGPROBS, completion('{"answer": "A', finish_reason="length")],
        NONE + 'cut off: \'{"answer": "A\'',
        3,
    ),
    "503 at every attempt, for one pair": (
        [Error(503, "no luck")] * 2,
        NONE + f"{WHO}: gave up after 2 attempts (HTTP 503: no luck)",
        2,
    ),
    # Made again.
    "429 with Retry-After in seconds": (
        [Error(429, "slow down", {"Retry-After": "0.2"})],
        ODDS.format(1.5),
        2,
    ),
    "429 with Retry-After as a date": ([in_a_second], ODDS.format(1.5), 2),
    "500": ([Error(500, "no luck")], ODDS.format(1.5), 2),
    "529": ([Error(529, "overloaded")], ODDS.format(1.5), 2),
    "the connection reset": (["reset"], ODDS.format(1.5), 2),
    "no answer in time": (["hang"], ODDS.format(1.5), 2),
    "a page of HTML with status 200": ([HTML], ODDS.format(1.5), 2),
    "a stream that nobody asked for": ([b"data: {}\n\ndata: [DONE]\n\n"], ODDS.format(1.5), 2),
    "a completion that is cut off": ([b'{"choices": [{"mess'], ODDS.format(1.5), 2),
    "`choices` null": ([without("choices", choices=None)], ODDS.format(1.5), 2),
    "an error object with status 200 (OpenRouter, inspect_ai 1534)": (
        [without("choices", error={"code": 429, "message": "Provider returned error"})],
        ODDS.format(1.5),
        2,
    ),
    # One line, and nothing else is asked.
    "401": ([Error(401, "bad key")], f"{WHO}: HTTP 401: bad key; the key is not accepted", 1),
    "402, no credit (OpenRouter)": (
        [Error(402, "Insufficient credits")],
        f"{WHO}: HTTP 402: Insufficient credits; the account has no credit left",
        1,
    ),
    "429 insufficient_quota": (
        [Error(429, {"message": "You exceeded your quota", "code": "insufficient_quota"})],
        f"{WHO}: HTTP 429: You exceeded your quota; the account has no credit left",
        1,
    ),
    "403": (
        [Error(403, "no access")],
        f"{WHO}: HTTP 403: no access; the key or account may not do this",
        1,
    ),
    "404": ([Error(404, "no such model")], f"{WHO}: HTTP 404: no such model; check {FIELDS}", 1),
    "an error object with status 200, of a key": (
        [{"error": {"error": {"message": "No auth"}, "code": 401}}],
        f"{WHO}: HTTP 401: No auth; the key is not accepted",
        1,
    ),
    "400 for something else": (
        [Error(400, "unknown field")],
        f"{WHO}: HTTP 400: unknown field; {FIELDS} may name what the service does not know",
        1,
    ),
    "Retry-After of a day": (
        [Error(429, "daily limit", {"Retry-After": "86400"})],
        f"{WHO}: asks to come back in 86400 s (HTTP 429: daily limit)",
        1,
    ),
}


def outcome(server, name, cache):
    """Returns what comes out of a case, in words, and how many requests it took."""
    server.plan[name] = list(CASES[name][0])
    changes = {"timeout_seconds": 0.3} if "hang" in CASES[name][0] else {}
    judge = judge_of(server.url, cache, **changes)
    try:
        first = "word " * 2000 if "long prompt" in name else "one response"
        judgement, other = judge.judge([pair(name, first), pair("good")])
    except UserError as error:
        assert not server.asked["good"]
        return str(error), server.asked[name]
    assert other.choice == "first"
    if judgement.choice is None:
        told = NONE + judgement.trouble
    else:
        label = "A" if judgement.choice == "first" else "B"
        odds = judgement.log_odds
        told = f"verdict {label}, " + ("no log-odds" if odds is None else f"log-odds {odds:.2f}")
    return told, server.asked[name]


def table(outcomes):
    """Returns the table of docs/judging.md."""
    rows = [f"| {name} | {told} | {count} |" for name, (told, count) in outcomes.items()]
    return "\n".join(
        ["| what goes wrong | what comes out | requests |", "| --- | --- | --- |", *rows]
    )


if __name__ == "__main__":
    outcomes = {}
    for case in CASES:
        with JudgingService() as service, tempfile.TemporaryDirectory() as folder:
            outcomes[case] = outcome(service, case, Path(folder) / "answers.jsonl")
    sys.stdout.write(table(outcomes) + "\n")
