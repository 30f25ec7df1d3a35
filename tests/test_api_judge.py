"""A service as judge, against a server that speaks the protocol and misbehaves."""

import dataclasses
import gc
import json
import math
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from judging_service import (
    CASES,
    NO_LOGPROBS,
    NO_SCHEMA,
    TOP,
    WHO,
    Error,
    JudgingService,
    completion,
    judge_of,
    outcome,
    pair,
    refuses,
    table,
    tokens,
)
from side_by_side import Call

from pinch_jax.corpus.language_id import NO_WORDS
from pinch_jax.errors import OutOfReach, UserError
from pinch_jax.judge.gate import LanguageGate
from pinch_jax.judge.protocol import Judgement, answered_by
from pinch_jax.service.faults import ServiceError

ROOT = Path(__file__).parent.parent
GOOD, PLAIN = (Judgement("first", odds, model="small-1") for odds in (1.5, None))


def pairs(count):
    return [pair(str(number)) for number in range(count)]


@pytest.fixture(autouse=True)
def nothing_left_open():
    """Lets a connection that nobody closes be a warning of the test that made it."""
    yield
    gc.collect()


@pytest.fixture
def server():
    with JudgingService() as started:
        yield started


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "answers.jsonl"


@pytest.mark.parametrize("case", CASES)
def test_what_goes_wrong_has_its_outcome(server, cache, case):
    assert outcome(server, case, cache) == CASES[case][1:]
    # What was a verdict is kept, as is the one of the good pair, and nothing else is.
    kept = len(cache.read_text("utf-8").splitlines())
    told = CASES[case][1]
    assert kept == told.startswith("verdict") + (not told.startswith(WHO))


def test_the_table_of_the_docs_is_the_one_that_is_tested():
    told = table({case: tuple(expected[1:]) for case, expected in CASES.items()})
    assert told in (ROOT / "docs/judging.md").read_text("utf-8")


def test_the_odds_are_those_of_all_tokens_that_are_a_label(server, cache):
    # The second A may be the token with a blank, which some write without.
    top = (("A", -1.5), ("A", -2.5), ("B", -1.25), ('"B', -4.0), ("b", -0.5), ("AB", -0.6))
    server.plan["odd"] = [completion("A", tokens(top))]
    (told,) = judge_of(server.url, cache).judge([pair("odd")])
    a, b = (sum(math.exp(p) for p in some) for some in ((-1.5, -2.5), (-1.25, -4.0)))
    assert told.log_odds == pytest.approx(math.log(a / b))
    # B was the likelier token, and A is the likelier label: all the ways to write it count.
    assert told.choice == "first" and top[2][1] > top[0][1]


def test_tokens_that_are_not_those_of_the_text_have_no_odds(server, cache):
    # The text is A; these tokens say B, as those of a thought before it may.
    server.plan["0"] = [completion("A", tokens((("B", -0.1), ("A", -3.0))))]
    assert judge_of(server.url, cache).judge([pair("0")]) == [PLAIN]


def test_no_verdict_is_paid_for_twice_and_none_is_asked_for_again(server, cache):
    server.plan["1"] = [completion("Both are fine.", tokens(TOP))]
    twin = dataclasses.replace(pair("1"), record=pair("1").record | {"id": "another"})
    told = judge_of(server.url, cache).judge([pair("0"), pair("1"), twin, pair("0")])
    assert [one.choice for one in told] == ["first", None, None, "first"]
    assert server.asked == Counter("01")
    assert judge_of(server.url, cache).judge([pair("1"), pair("0")]) == [GOOD, GOOD]
    assert server.asked == Counter("011")
    judge_of(server.url, cache).judge([pair("0", "another response", "one response")])
    judge_of(server.url, cache, model="large").judge([pair("0")])
    assert server.asked == Counter("01100")


def test_the_version_is_that_of_model_service_and_words(server, cache, monkeypatch):
    versions = [judge_of(server.url, cache, **c).version for c in ({}, {"model": "large"})]
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    versions.append(judge_of(server.url, cache, base_url="").version)
    # The library takes it from there too, and nobody would see that another service judges.
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    versions.append(judge_of(server.url, cache, base_url="").version)
    assert len(set(versions)) == 4
    again = judge_of(server.url, cache, concurrency=3)
    assert again.version == again.identity == versions[0]


def test_what_a_service_refuses_is_found_out_once(server, cache):
    server.plan["0"] = [NO_LOGPROBS, NO_LOGPROBS, NO_SCHEMA]
    told = judge_of(server.url, cache).judge(pairs(4))
    assert told == [PLAIN] * 4
    assert server.asked == Counter({"0": 4, "1": 1, "2": 1, "3": 1})
    asked = [(b.get("top_logprobs"), "response_format" in b) for b in server.bodies]
    assert asked == [(20, False), (5, False), (None, True), *[(None, False)] * 4]
    assert all(body["temperature"] == 0 and body["max_tokens"] <= 16 for body in server.bodies)


def test_a_service_that_gave_log_probabilities_is_asked_for_them_again(server, cache):
    judge = judge_of(server.url, cache)
    bare, prose = completion("A"), completion("Both.")
    server.plan |= {"1": [bare], "2": [prose]}
    assert judge.judge(pairs(4)) == [
        GOOD,
        PLAIN,
        Judgement(None, trouble="no label: 'Both.'"),
        GOOD,
    ]
    server.plan["5"] = [bare]
    # What is kept says so too.
    assert judge_of(server.url, cache).judge(pairs(7)[5:]) == [PLAIN, GOOD]
    assert all("top_logprobs" in body for body in server.bodies)


def test_the_schema_allows_the_two_labels_alone(server, cache):
    server.plan["0"] = [NO_LOGPROBS, NO_LOGPROBS]
    judge_of(server.url, cache).judge(pairs(1))
    told = server.bodies[-1]["response_format"]["json_schema"]
    assert told["strict"] is True
    assert told["schema"]["properties"] == {"answer": {"type": "string", "enum": ["A", "B"]}}


def test_an_error_ends_it_and_what_was_paid_for_is_kept(server, cache):
    server.plan["5"] = [Error(401, "bad key")]
    with pytest.raises(ServiceError, match="HTTP 401"):
        judge_of(server.url, cache, concurrency=2).judge(pairs(12))
    paid = server.answered.copy()
    assert 4 <= paid.total() <= 7
    assert judge_of(server.url, cache).judge(pairs(12)) == [GOOD] * 12
    assert server.answered == Counter(map(str, range(12)))


def test_a_service_that_is_down_ends_it_and_one_that_fails_some_pairs_does_not(server, cache):
    server.plan |= {str(number): [Error(503, "no luck")] * 2 for number in range(30)}
    with pytest.raises(OutOfReach, match=r"HTTP 503: no luck\); so it was with 3 pairs in a row"):
        judge_of(server.url, cache, concurrency=2).judge(pairs(30))
    assert server.asked.total() <= 2 * 4
    server.plan.clear()
    server.plan |= {str(number): [Error(500, "no luck")] * 2 for number in (1, 2, 4, 6, 7)}
    told = judge_of(server.url, cache).judge(pairs(9))
    assert [n for n, one in enumerate(told) if one.choice is None] == [1, 2, 4, 6, 7]
    # A pair that never is answered does not end the calls that come later.
    server.plan |= {str(number): [Error(500, "no luck")] * 2 for number in (1, 2)}
    told = judge_of(server.url, cache).judge(pairs(3))
    assert [one.choice for one in told] == ["first", None, None]


def test_a_model_that_never_comes_to_its_answer_is_not_paid_for_a_thousand_times(server, cache):
    thoughts = completion(None, None, "length", reasoning_content="Hmm")
    server.plan |= {str(number): [thoughts] for number in range(9)}
    with pytest.raises(ServiceError, match=r"mine\.model='small': no text.*3 pairs in a row"):
        judge_of(server.url, cache).judge(pairs(9))
    assert server.asked.total() == 3


INTERRUPTED = """
import sys
from pathlib import Path
from judging_service import judge_of, pair
judge_of(sys.argv[1], Path(sys.argv[2]), concurrency=2).judge([pair(str(n)) for n in range(10)])
"""


def test_ctrl_c_loses_nothing_and_the_next_call_pays_for_the_rest_only(server, cache, tmp_path):
    reached, go_on = threading.Event(), threading.Event()

    def gate(text):
        if server.asked.total() >= 5:
            reached.set()
            go_on.wait(20)

    server.gate = gate
    log = tmp_path / "log"
    run = Call(["-c", INTERRUPTED, server.url, cache], log)
    assert reached.wait(60)
    run.send_signal(signal.SIGINT)
    time.sleep(0.5)
    go_on.set()
    assert run.wait(30) and log.read_text().rstrip().endswith("KeyboardInterrupt")
    paid = server.answered.total()
    assert 5 <= paid < 10
    assert len(cache.read_text("utf-8").splitlines()) == paid
    server.gate = None
    assert judge_of(server.url, cache).judge(pairs(10)) == [GOOD] * 10
    assert server.answered == Counter(map(str, range(10)))


def test_a_line_that_was_cut_is_asked_for_again_and_a_damaged_one_is_told(server, cache):
    judge_of(server.url, cache).judge(pairs(3))
    whole = cache.read_bytes()
    cache.write_bytes(whole[:-9])
    assert judge_of(server.url, cache).judge(pairs(3)) == [GOOD] * 3
    assert server.asked == Counter({"0": 1, "1": 1, "2": 2})
    cache.write_bytes(whole.replace(b'"first"', b'"second"', 1))
    with pytest.raises(UserError, match=r"answers\.jsonl:1 .*delete the line"):
        judge_of(server.url, cache).judge(pairs(3))


def test_requests_are_made_side_by_side_but_no_more_than_agreed(server, cache):
    # Each is answered when two others are there as well: fewer at once would hang.
    barrier = threading.Barrier(3)
    server.gate = lambda text: barrier.wait(5)
    assert judge_of(server.url, cache, concurrency=3).judge(pairs(6)) == [GOOD] * 6
    assert server.most_at_once == 3


def test_the_cost_is_told_before_anything_is_asked(server, cache):
    prices = {"price_per_million_tokens": 2.0, "requests_per_second": 0.5}
    judge = judge_of(server.url, cache, **prices)
    one, three = judge.cost(pairs(1)), judge.cost(pairs(3) + pairs(1))
    assert three.price == pytest.approx(3 * one.price)
    assert not server.asked
    told = "\n".join(three.lines)
    assert "to judge by mine (small): 3 pairs, " in told and "minutes 0.1" in told
    judge_of(server.url, cache).judge(pairs(2))
    characters = len(server.bodies[0]["messages"][0]["content"])
    assert f"1 pairs, {characters:,} characters" in judge.cost(pairs(3)).lines[0]
    assert one.price == pytest.approx(2e-6 * (math.ceil(characters / 3) + 16))
    assert judge.cost(pairs(2)).price == 0


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_budget_is_not_exceeded_and_what_came_is_kept(server, cache, concurrency):
    # The server bills 100 tokens for each answer: 0.01.
    prices = {"price_per_million_tokens": 100.0, "concurrency": concurrency}
    judge = judge_of(server.url, cache, budget=0.055, **prices)
    with pytest.raises(UserError, match=r"config\.judges\.mine\.budget=0\.055: .*raise it") as told:
        judge.judge(pairs(9))
    assert "\n" not in str(told.value) and str(cache) in str(told.value)
    paid = server.answered.total()
    assert (1 if concurrency > 1 else 3) <= paid <= 5
    assert len(cache.read_text("utf-8").splitlines()) == paid
    judge_of(server.url, cache, **prices).judge(pairs(9))
    assert server.answered == Counter(map(str, range(9)))


def test_a_budget_needs_a_price(server, cache):
    with pytest.raises(UserError, match=r"budget=1\.0: .*price_per_million_tokens"):
        judge_of(server.url, cache, budget=1.0)


def test_another_model_under_the_same_name_is_told(server, cache, caplog):
    server.plan["0"] = [completion("A", tokens(TOP)) | {"model": "large-1"}]
    judge_of(server.url, cache, model="large").judge(pairs(1))
    judge_of(server.url, cache).judge(pairs(1))
    assert "answers, and before" not in caplog.text
    server.plan["1"] = [completion("A", tokens(TOP)) | {"model": "small-2"}]
    judge_of(server.url, cache).judge(pairs(2))
    assert "small-2 answers, and before it was small-1" in caplog.text
    server.plan["2"] = [refuses("temperature")]
    told = judge_of(server.url, cache).judge(pairs(3))
    assert answered_by(told) == ["small-1", "small-1 at a temperature of its own", "small-2"]


def test_a_key_that_is_missing_is_one_line(cache, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ServiceError, match=r"config\.judges\.mine\..*set OPENAI_API_KEY"):
        judge_of("", cache, base_url="")


def test_the_cache_is_json_lines_that_say_which_model_answered(server, cache):
    judge = judge_of(server.url, cache)
    judge.judge(pairs(1))
    told = json.loads(cache.read_text("utf-8"))
    assert (told["model"], told["choice"], told["log_odds"]) == ("small-1", "first", 1.5)
    assert told["version"] == judge.version
    # Through the gate, and of those that were kept.
    asked = pair("0")
    asked.record.update(reference="", answer="")
    gated = LanguageGate(judge_of(server.url, cache), NO_WORDS)
    assert answered_by(gated.judge([asked])) == ["small-1"] and server.answered["0"] == 1
