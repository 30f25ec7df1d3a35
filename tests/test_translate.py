"""Translation against a server that speaks the real protocols and misbehaves."""

import contextlib
import dataclasses
import json
import signal
import threading
import time
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from known_sentences import (
    BOILING,
    EGG,
    HOURS,
    INSTALL,
    OPENING,
    OUTPUT,
    RUN,
    SENTENCES,
    config_of,
    example,
    translate,
)
from side_by_side import Call
from translation_server import TranslationServer

from pinch_jax.corpus.translation import pieces
from pinch_jax.corpus.translation.pieces import open_pieces
from pinch_jax.corpus.translation.translate import estimate, translate_examples
from pinch_jax.corpus.translation.translators import make_translator
from pinch_jax.service.faults import Busy, ServiceError
from pinch_jax.service.pace import Pace, Patience

CODE = "```\n$ program --now\nopen\n```"
PARTS = ("`make all`", "https://example.org/a_(b)?c=d")


def filled(sentence):
    return sentence.replace("⟦0⟧", PARTS[0]).replace("⟦1⟧", PARTS[1])


EXAMPLES = (
    example(0, OPENING, HOURS),
    example(1, EGG, BOILING),
    example(2, INSTALL, f"{filled(RUN)}\n\n{OUTPUT}\n{CODE}\n"),
)
PIECES = (OPENING, HOURS, EGG, BOILING, INSTALL, f"{RUN}\n\n{OUTPUT}")


def many(count):
    """Returns examples of two pieces each, all different."""
    return tuple(example(n, f"{OPENING} ({n})", f"{HOURS} ({n})") for n in range(count))


def pieces_of(examples):
    return [text for one in examples for text in (one.prompt, one.response)]


@pytest.fixture
def server():
    with TranslationServer() as started:
        yield started


@pytest.fixture(params=["google", "openai"])
def config(request, server):
    return config_of(server.url, request.param)


@pytest.mark.parametrize("target", ["fi", "zh"])
def test_examples_are_translated_and_what_must_survive_does(config, server, tmp_path, target):
    translated = translate(config, tmp_path, EXAMPLES, target)
    says = {english: own[target] for english, own in SENTENCES.items()}
    assert translated.rejected == {}
    assert translated.examples == (
        dataclasses.replace(
            EXAMPLES[0], language=target, prompt=says[OPENING], response=says[HOURS]
        ),
        dataclasses.replace(EXAMPLES[1], language=target, prompt=says[EGG], response=says[BOILING]),
        dataclasses.replace(
            EXAMPLES[2],
            language=target,
            prompt=says[INSTALL],
            response=f"{filled(says[RUN])}\n\n{says[OUTPUT]}\n{CODE}\n",
        ),
    )
    assert server.asked == Counter(PIECES)
    assert translate(config, tmp_path, EXAMPLES, target) == translated
    assert server.asked == Counter(PIECES)


def test_the_estimate_is_what_is_paid_and_nothing_is_paid_for_twice(server, tmp_path):
    config = config_of(server.url, requests_per_second=2.0, concurrency=1)
    examples = (*EXAMPLES, example(3, OPENING, f"{BOILING}\n\n{CODE}"), example(4, EGG, ""))
    fi, es = estimate(examples, ("fi", "es"), config, tmp_path)
    assert (fi.language, es.language) == ("fi", "es")
    assert (fi.examples, fi.pieces, fi.characters) == (5, 6, sum(map(len, PIECES)))
    assert fi.price == pytest.approx(20.0 * fi.characters / 1e6)
    assert fi.seconds >= 6 / 2.0

    translate(dataclasses.replace(config, requests_per_second=1e3), tmp_path, examples[:1])
    (rest,) = estimate(examples, ("fi",), config, tmp_path)
    assert (rest.pieces, rest.characters) == (4, fi.characters - len(OPENING + HOURS))
    translated = translate(dataclasses.replace(config, requests_per_second=1e3), tmp_path, examples)
    assert [one.id for one in translated.examples] == [one.id for one in examples]
    assert server.asked == Counter(PIECES)
    (nothing,) = estimate(examples, ("fi",), config, tmp_path)
    assert (nothing.pieces, nothing.characters, nothing.price, nothing.seconds) == (0, 0, 0, 0)
    other = dataclasses.replace(config, model="general/translation-llm")
    assert estimate(examples, ("fi",), other, tmp_path)[0].pieces == 6


def test_a_long_text_is_sent_in_pieces_and_comes_back_whole(config, server, tmp_path):
    examples = (example(0, HOURS, f"{HOURS}\n \n{BOILING}\n\n\n{HOURS}\n"),)
    config = dataclasses.replace(config, piece_characters=90)
    (one,) = translate(config, tmp_path, examples).examples
    says = {english: own["fi"] for english, own in SENTENCES.items()}
    assert one.response == f"{says[HOURS]}\n \n{says[BOILING]}\n\n\n{says[HOURS]}\n"
    assert server.asked == Counter({HOURS: 1, BOILING: 1})


def test_a_piece_that_came_back_untranslated_shows_in_a_long_text(server, tmp_path):
    server.plan[EGG] = ["copy"]
    text = "\n\n".join([HOURS, EGG, BOILING, OPENING])
    config = config_of(server.url, piece_characters=90)
    rejected = translate(config, tmp_path, (example(0, OPENING, text),)).rejected
    assert rejected["made-0"].startswith("response: copy")


def test_the_bar_counts_characters_that_are_paid_for(server, tmp_path, capsys):
    config = config_of(server.url)
    with contextlib.closing(make_translator(config)) as translator:
        translate_examples(EXAMPLES[:1], "fi", translator, config, tmp_path, progress=True)
    said = capsys.readouterr().err
    assert "translate into fi: 100%" in said
    assert f"{len(OPENING + HOURS)}/{len(OPENING + HOURS)}" in said


TROUBLES = [429, 500, 503, "drop", "cut", (503, {"Retry-After": "0.01"}, ())]


def test_what_may_pass_is_tried_again_and_once_only(config, server, tmp_path):
    for piece, trouble in zip(PIECES, TROUBLES, strict=True):
        server.plan[piece] = [trouble, trouble]
    assert translate(config, tmp_path, EXAMPLES).rejected == {}
    assert server.asked == Counter(dict.fromkeys(PIECES, 3))
    assert server.answered == Counter(PIECES)


def test_a_request_that_hangs_is_given_up_and_made_again(config, server, tmp_path):
    server.plan[HOURS] = ["hang"]
    config = dataclasses.replace(config, timeout_seconds=0.2)
    start = time.monotonic()
    assert translate(config, tmp_path, EXAMPLES[:1]).rejected == {}
    assert time.monotonic() - start < 9  # the server hangs for 10 s
    assert server.asked == Counter({OPENING: 1, HOURS: 2})


def test_a_service_that_says_when_to_come_back_is_left_alone_till_then(config, server, tmp_path):
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.3s"}
    google = config.by == "google"
    server.plan[OPENING] = [(429, {}, [delay]) if google else (429, {"Retry-After": "0.3"}, [])]
    start = time.monotonic()
    translate(dataclasses.replace(config, concurrency=1), tmp_path, EXAMPLES[:1])
    assert time.monotonic() - start >= 0.3
    assert server.asked == Counter({OPENING: 2, HOURS: 1})


def test_the_pace_is_even_and_is_held_for_all():
    now = [100.0]
    pace = Pace(4.0, clock=lambda: now[0])
    assert [pace.take_turn() for _ in range(3)] == [0.0, 0.25, 0.5]
    now[0] = 101.0
    assert pace.take_turn() == 0.0
    pace.hold(5.0)
    pace.hold(1.0)
    assert [pace.take_turn() for _ in range(2)] == [5.0, 5.25]


class Recorder:
    """In place of the event that ends all waiting: notes for how long it is waited for."""

    def __init__(self):
        self.seconds = []

    def wait(self, seconds):
        self.seconds.append(seconds)
        return False


def test_waits_double_at_most_and_are_not_all_alike():
    def busy():
        raise Busy("not now")

    waits = []
    for _ in range(20):
        recorder = Recorder()
        patience = Patience(Pace(1e12, clock=lambda: 0.0), 4, 2.0, recorder)
        with pytest.raises(ServiceError, match=r"made: gave up after 4 attempts \(not now\)"):
            patience.request("made", busy)
        waits.append([seconds for seconds in recorder.seconds if seconds > 1e-9])
    for place, longest in enumerate((2.0, 4.0, 8.0)):
        at_place = [wait[place] for wait in waits]
        assert longest / 2 < max(at_place) <= longest
        assert len(set(at_place)) == 20


def test_requests_are_made_side_by_side_but_no_more_than_agreed(config, server, tmp_path):
    # Each request is answered when two others are there as well: fewer at once would hang.
    barrier = threading.Barrier(3)
    server.gate = lambda text: barrier.wait(5)
    translate(dataclasses.replace(config, concurrency=3), tmp_path, many(6))
    assert server.most_at_once == 3
    assert server.asked == Counter(pieces_of(many(6)))


def test_requests_are_no_faster_than_agreed(config, server, tmp_path):
    start = time.monotonic()
    translate(dataclasses.replace(config, requests_per_second=40.0), tmp_path, many(5))
    assert time.monotonic() - start >= 9 / 40.0


@pytest.mark.parametrize("trouble", [400, 401, 403, 404, (429, {"Retry-After": "9999"}, ())])
def test_what_cannot_pass_stops_at_once_with_one_line(config, server, tmp_path, trouble):
    server.plan[HOURS] = [trouble] * 9
    config = dataclasses.replace(config, concurrency=1)
    with pytest.raises(ServiceError) as caught:
        translate(config, tmp_path, EXAMPLES)
    assert "\n" not in str(caught.value)
    assert config.name in str(caught.value) or "9999" in str(caught.value)
    assert server.asked == Counter({OPENING: 1, HOURS: 1})
    server.plan.clear()
    translate(config, tmp_path, EXAMPLES)
    assert server.answered == Counter(PIECES)


def test_a_quota_of_a_minute_passes_and_credit_that_is_used_up_does_not(server, tmp_path):
    server.plan[HOURS] = ["quota of a minute"]
    assert translate(config_of(server.url), tmp_path, EXAMPLES[:1]).rejected == {}
    server.plan[EGG] = ["no credit"] * 9
    with pytest.raises(ServiceError, match=r"openai:small-model: HTTP 429: .*current quota"):
        translate(config_of(server.url, "openai"), tmp_path, EXAMPLES[1:2])
    assert (server.asked[HOURS], server.asked[EGG]) == (2, 1)


def test_a_service_that_stays_busy_is_given_up_after_so_many_attempts(config, server, tmp_path):
    server.plan[HOURS] = [503] * 9
    with pytest.raises(ServiceError, match=r"gave up after 4 attempts \(HTTP 503"):
        translate(config, tmp_path, EXAMPLES[:1])
    assert server.asked == Counter({OPENING: 1, HOURS: 4})


class SlowEvent(threading.Event):
    """Those who wait for it are done before the one who sets it."""

    def set(self):
        super().set()
        time.sleep(0.2)


def test_an_error_does_not_wait_for_those_who_wait_and_is_the_one_that_is_told(
    config, server, tmp_path, monkeypatch
):
    made = types.SimpleNamespace(Event=SlowEvent, Lock=threading.Lock)
    monkeypatch.setattr(pieces, "threading", made)
    *waiting, failing = pieces_of(many(4))
    server.plan |= {piece: [(429, {"Retry-After": "60"}, ())] for piece in waiting}
    server.plan[failing] = [403]
    all_there = threading.Barrier(8)

    def gate(text):
        all_there.wait(5)
        if text == failing:
            time.sleep(0.2)  # the others wait by then

    server.gate = gate
    start = time.monotonic()
    with pytest.raises(ServiceError, match="HTTP 403"):
        translate(dataclasses.replace(config, concurrency=8), tmp_path, many(4))
    assert time.monotonic() - start < 30
    assert server.asked == Counter(pieces_of(many(4)))


@pytest.mark.parametrize("addition", ["thought", "introduced"])
def test_what_a_model_says_beside_its_translations_is_in_none(server, tmp_path, addition):
    config = config_of(server.url, "openai")
    plain = translate(config, tmp_path / "plain", EXAMPLES)
    server.plan |= {piece: [addition] for piece in PIECES}
    assert translate(config, tmp_path / addition, EXAMPLES) == plain
    assert server.answered == Counter(dict.fromkeys(PIECES, 2))


def test_a_language_that_comes_back_untranslated_is_an_error(config, server, tmp_path):
    examples = (example(4, "42", ""), *many(4))
    server.plan |= {piece: ["copy"] for piece in pieces_of(many(2))}
    assert len(translate(config, tmp_path / "some", examples).rejected) == 2
    server.plan |= {piece: ["copy"] for piece in pieces_of(many(3))[::2]}
    with pytest.raises(ValueError, match=r"3 of 5 examples came back in 'fi' .*/most/fi\.jsonl"):
        translate(config, tmp_path / "most", examples)


def test_an_answer_may_be_a_name_that_stays_but_not_as_a_response(server, tmp_path):
    config = config_of("", "jsonl", path=str(tmp_path / "{language}.jsonl"))
    said = {
        OPENING: SENTENCES[OPENING]["fi"],
        "It is in Kenya.": "Se on Keniassa, Kenya.",
        "Kenya": "Kenya",
    }
    lines = [json.dumps({"source": a, "translation": b}) + "\n" for a, b in said.items()]
    (tmp_path / "fi.jsonl").write_text("".join(lines), "utf-8")
    examples = (
        example(0, OPENING, "It is in Kenya.", "Kenya"),
        example(1, OPENING, "Kenya", "Kenya"),
    )
    translated = translate(config, tmp_path, examples)
    assert [(one.id, one.english_answer) for one in translated.examples] == [("made-0", True)]
    assert translated.rejected == {"made-1": "response: copy: came back as it was"}


FAULTS = {
    "noted": "response: added part: 'Note:' is not in the original",
    "wrong language": "response: wrong language: reads as es, not fi",
    "empty": "response: empty: nothing came back",
    "copy": "response: copy: came back as it was",
    "lost marker": "response: changed part: the marker of '`make all`' is missing",
    "doubled marker": "response: changed part: the marker of '`make all`' came back more than once",
    "altered marker": "response: changed part: the marker of '`make all`' is missing",
    "wordy": "response: length: ",
    "LENGTH": "response: refused: finish_reason='length'",
    "CONTENT_FILTER": "response: refused: finish_reason='content_filter'",
    "filtered prompt": "response: refused: content_filter",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_translation_rejects_its_example_alone(server, tmp_path, fault):
    chat_only = fault.isupper() or fault == "filtered prompt"
    config = config_of(server.url, "openai" if chat_only else "google")
    text = filled(RUN) if "marker" in fault else BOILING
    examples = (EXAMPLES[0], example(1, EGG, text), EXAMPLES[2])
    faulty = RUN if "marker" in fault else BOILING
    server.plan[faulty] = [fault]
    translated = translate(config, tmp_path, examples)
    assert [one.id for one in translated.examples] == ["made-0", "made-2"]
    ((id, reason),) = translated.rejected.items()
    assert id == "made-1" and reason.startswith(FAULTS[fault])
    asked = server.asked.copy()
    assert translate(config, tmp_path, examples) == translated
    assert server.asked == asked


def test_an_answer_that_the_response_no_longer_holds_rejects_the_example(server, tmp_path):
    examples = (example(0, OPENING, HOURS, HOURS), example(1, EGG, f"So: {EGG}", EGG))
    server.plan[EGG] = ["another sentence"]
    translated = translate(config_of(server.url), tmp_path, examples)
    assert [(one.id, one.answer == one.response) for one in translated.examples] == [
        ("made-0", True)
    ]
    assert [why.partition(":")[0] for why in translated.rejected.values()] == ["answer"]


INTERRUPTED = """
import pathlib, sys
from test_translate import config_of, many, translate
config = config_of(sys.argv[1], sys.argv[2], concurrency=2)
translate(config, pathlib.Path(sys.argv[3]), many(10))
"""


def test_ctrl_c_loses_nothing_and_the_next_run_pays_for_the_rest_only(config, server, tmp_path):
    reached, go_on = threading.Event(), threading.Event()

    def gate(text):
        if sum(server.asked.values()) >= 8:
            reached.set()
            go_on.wait(20)

    server.gate = gate
    log = tmp_path / "log"
    run = Call(["-c", INTERRUPTED, server.url, config.by, tmp_path], log)
    assert reached.wait(60)
    # At most two are under way; all others are on disk, whatever comes next.
    assert len((tmp_path / "fi.jsonl").read_text("utf-8").splitlines()) >= 6
    run.send_signal(signal.SIGINT)
    time.sleep(0.5)
    go_on.set()
    assert run.wait(30) and log.read_text().rstrip().endswith("KeyboardInterrupt")
    paid = sum(server.answered.values())
    assert 8 <= paid < 20
    assert len((tmp_path / "fi.jsonl").read_text("utf-8").splitlines()) == paid

    server.gate = None
    assert len(translate(config, tmp_path, many(10)).examples) == 10
    assert server.answered == Counter(pieces_of(many(10)))


def test_a_last_line_that_was_cut_is_repaired(server, tmp_path):
    config = config_of(server.url, concurrency=1)
    translated = translate(config, tmp_path, EXAMPLES)
    file = tmp_path / "fi.jsonl"
    whole = file.read_bytes()
    for cut_bytes, asked_again in ((1, 0), (2, 1), (60, 1)):
        file.write_bytes(whole[:-cut_bytes])
        server.asked.clear()
        assert estimate(EXAMPLES, ("fi",), config, tmp_path)[0].pieces == asked_again
        assert translate(config, tmp_path, EXAMPLES) == translated
        assert server.asked.total() == asked_again
        assert file.read_bytes() == whole
    file.write_bytes(b"{}\n" + whole)
    with pytest.raises(ValueError, match=r"fi\.jsonl:1: not a piece"):
        translate(config, tmp_path, EXAMPLES)


def test_who_comes_second_waits_and_pays_for_nothing(server, tmp_path, capfd):
    config = config_of(server.url)
    with ThreadPoolExecutor() as pool:
        with open_pieces(tmp_path / "fi.jsonl", ("a", "en", "fi")):
            second = pool.submit(translate, config, tmp_path, EXAMPLES)
            while "waiting for process" not in capfd.readouterr().err:
                assert not second.done()
            assert not server.asked
        both = pool.submit(translate, config, tmp_path, EXAMPLES), second
        assert both[0].result() == both[1].result()
    assert server.asked == Counter(PIECES)


def test_nothing_is_translated_into_itself(server, tmp_path):
    with pytest.raises(ValueError, match=r"config\.corpus\.translation\.source='en'"):
        translate(config_of(server.url), tmp_path, EXAMPLES, "en")
