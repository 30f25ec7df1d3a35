"""Every response of one kind: what is right, and in how many ways it is not, with intervals."""

import calendar
import dataclasses
import math

import numpy as np
import pytest
import scipy.stats

from pinch_jax.corpus.cldr.examples import examples, heldout_examples
from pinch_jax.corpus.reading.rows import Row
from pinch_jax.corpus.reading.topics import topic_examples, topic_phrases
from pinch_jax.evaluate.intervals import NOTHING, mean_of, means_over_prompts
from pinch_jax.evaluate.outcome import classify
from pinch_jax.evaluate.records import other_answers
from pinch_jax.evaluate.text_match import contains_words
from pinch_jax.study.analysis import response_shares
from pinch_jax.study.comparisons import Answers, Results
from pinch_jax.study.experiments.same_language import answers_in_language
from pinch_jax.study.measures import in_language
from pinch_jax.study.outcomes import ABOVE_BASE, KINDS, SHARES, SUMS, Outcomes, outcome_rows
from pinch_jax.study.tables import read_table, write_table

LANGUAGES = ("en", "fi", "it")
MONTHS = tuple(calendar.month_name)[1:]
PROMPTS = 24


def kind(response, example):
    return classify(
        example.prompt, response, example.language, example.response, example.answer
    ).kind


def test_a_response_is_of_one_kind():
    english, finnish = (heldout_examples(code)[0] for code in ("en", "fi"))
    assert english.task == "currency"
    right = f"People pay there with this money of theirs, the {english.answer}, every day."
    assert kind(english.response, english) == "exact"
    assert kind(right, english) == "answer"
    assert kind(english.answer, english) == "answer", "too short to tell, and the answer"
    assert kind("Mali", finnish) == "too_short"
    assert kind("", finnish) == kind("…", finnish) == "too_short"
    assert kind("The money that people use there is the Indian Rupee.", english) == "wrong_answer"
    assert kind(finnish.response, english) == "wrong_language"
    assert kind(right, finnish) == "wrong_language", "whatever it names"
    assert kind(english.prompt, english) == "echo"
    named = dataclasses.replace(english, prompt=f"{english.prompt} Is it the {english.answer}?")
    assert kind(named.prompt, named) == "echo", "whatever the prompt names"
    without = dataclasses.replace(english, response="", answer="")
    assert kind(english.response, without) is None


def test_whoever_names_other_answers_too_has_not_answered():
    topics = topic_phrases()["en"]["topics"]
    rows = [
        Row("here", n, {"index_id": str(n), "category": topic, "text": f"This is text {n}."})
        for n, topic in enumerate(topics)
    ]
    asked = {e.id: dataclasses.asdict(e) for e in topic_examples(rows, "en")}
    facts = {e.id: dataclasses.asdict(e) for e in examples("en")}
    others = other_answers(asked | facts)

    def kind_of(record, response):
        held = (record[field] for field in ("language", "response", "answer"))
        return classify(record["prompt"], response, *held, others=others[record["id"]]).kind

    for identity, record in asked.items():
        assert set(others[identity]) == set(topics.values()) - {record["answer"]}
        assert kind_of(record, f"The text above is about {record['answer']}.") == "answer"
        everything = f"The text above is about {' and '.join(topics.values())}."
        assert kind_of(record, everything) == "wrong_answer"
    month = next(record for record in facts.values() if record["task"] == "month_after")
    subject = next(name for name in MONTHS if contains_words(month["prompt"], name))
    assert set(others[month["id"]]) == set(MONTHS) - {subject, month["answer"]}, "it is named"
    told = f"The month that comes right after {subject} is {month['answer']}"
    assert kind_of(month, f"{told}.") == "answer"
    wrong = next(name for name in others[month["id"]])
    assert kind_of(month, f"{told} or {wrong}.") == "wrong_answer"
    part = ("Where is it?", "It lies in Western Asia, as one knows.", "en", "", "Western Asia")
    assert not classify(*part, others=("Asia",)).hedged, "a part of the answer"
    assert classify(*part, others=("Western",)).answer_match
    larger = classify(*part[:4], "Asia", others=("Western Asia",))
    assert larger.hedged, "another one, that the answer is a part of"


def answered(run, right, wrong_language=(), worded=()):
    """Return run -> answers: in a language these prompts are answered so, the others wrongly."""
    held = {}
    for code in LANGUAGES:
        asked = heldout_examples(code)[:PROMPTS]
        records, outcomes = {}, {}
        for place, example in enumerate(asked):
            response = asked[(place + 1) % PROMPTS].response
            if place in right[code]:
                response = example.response
            elif place in worded:
                response = example.answer
            elif place in wrong_language:
                # Every other one is the right answer.
                other = heldout_examples("it" if code != "it" else "fi")
                response = other[place + place % 2].response
            records[example.id] = dataclasses.asdict(example) | {"response": response}
            outcomes[example.id] = classify(
                example.prompt, response, code, example.response, example.answer
            )
        held[run, code] = Answers(records, outcomes)
    return held


def results(answers):
    prompts = tuple(sorted({i for held in answers.values() for i in held.records}))
    runs = {run: {"spec": f"spec of {run}"} for run, _ in answers}
    study = {"languages": LANGUAGES, "base": "en", "runs": runs}
    return Results(study, answers, prompts, {run: (run,) for run in runs}, {})


@pytest.fixture(scope="module")
def rows():
    few = {"en": range(15), "fi": range(6), "it": range(3)}
    answers = answered("few", few, wrong_language=range(18, 24), worded=(16, 17))
    answers |= answered("none", dict.fromkeys(LANGUAGES, ()))
    answers |= {("part", "en"): answers["few", "en"]}
    return outcome_rows(results(answers))


def test_where_a_language_cannot_be_identified_no_figure_of_language_is_told_and_no_mean_has_it(
    tmp_path,
):
    few = {"en": range(15), "fi": range(6), "it": range(3)}
    answers = answered("few", few, wrong_language=range(18, 24))
    hausa = answers["few", "it"]
    hidden = {
        i: dataclasses.replace(outcome, language=None) for i, outcome in hausa.outcomes.items()
    }
    answers["few", "it"] = Answers(hausa.records, hidden)
    rows = outcome_rows(results(answers))
    row, mean = found(rows, "few", "it"), found(rows, "few", "mean")
    of_language = {"other_language", "right_elsewhere", "wrong_language", "too_short"}
    assert {name for name in SHARES if math.isnan(getattr(row, name).value)} == of_language
    write_table(tmp_path / "outcomes.csv", Outcomes, [row])
    assert (tmp_path / "outcomes.csv").read_text().count(",nan") == 3 * len(of_language)
    assert row.exact.value == 100 * 3 / PROMPTS
    assert mean.exact.value == pytest.approx(100 * (15 + 6) / 2 / PROMPTS)
    assert mean.other_language.value == pytest.approx(100 * 6 / PROMPTS)
    assert sum(getattr(mean, kind).value for kind in KINDS) == pytest.approx(100)
    others = [key for key in answers if key != ("few", "it")]
    whole = results(answers)
    assert in_language(whole, answers) == in_language(whole, others)
    study = {"runs": {"few": {"spec": ""}}, "majority_answers": {"it": {}}}
    shares = response_shares([answers["few", "it"]], "few", "it", study)
    assert math.isnan(shares.wrong_language) and shares.exact_match == 3 / PROMPTS


def test_the_models_with_a_pinch_are_those_over_all_languages_and_over_some():
    all_right = dict.fromkeys(LANGUAGES, range(PROMPTS))
    none_right = dict.fromkeys(LANGUAGES, ())
    answers = answered("all", all_right) | answered("alone", all_right)
    answers |= answered("some", none_right, wrong_language=range(PROMPTS))
    of = {"alone": ("pinch", 0), "all": ("pinch", 1), "some": ("unseen", 1)}
    arms = [{"experiment": name, "x": x, "run": run} for run, (name, x) in of.items()]
    told = results(answers)
    study = {**told.study, "arms": arms}
    detail = answers_in_language(dataclasses.replace(told, study=study)).detail
    share = float(detail.partition("any P above 0 ")[2].partition(" ")[0])
    keys = [(run, code) for run in ("all", "some") for code in LANGUAGES]
    assert share == pytest.approx(in_language(told, keys).value, abs=0.05) and 40 < share < 60


def test_what_a_set_is_above_the_base_language_alone_is_paired():
    answers = answered("alone", dict.fromkeys(LANGUAGES, range(10)))
    answers |= answered("pinch", dict.fromkeys(LANGUAGES, range(16)))
    told = results(answers)
    runs = {"alone": {"en": 9, "fi": 0}, "pinch": {"en": 8, "fi": 1}}
    runs = {run: {"spec": "", "budgets": budgets} for run, budgets in runs.items()}
    rows = outcome_rows(dataclasses.replace(told, study={**told.study, "runs": runs}))
    alone, pinch = (found(rows, run, "mean").right for run in ("alone", "pinch"))
    assert alone.high > pinch.low, "the intervals overlap"
    value, low, high = found(rows, "pinch", "mean", ABOVE_BASE).right.numbers
    assert value == pytest.approx(pinch.value - alone.value) and 0 < low < value < high
    assert found(rows, "alone", "mean", ABOVE_BASE).right.numbers == (0, 0, 0)
    assert not [row for row in outcome_rows(told) if row.task == ABOVE_BASE], "none is known"


def found(rows, run, language, task="all"):
    (row,) = (r for r in rows if (r.run, r.language, r.task) == (run, language, task))
    return row


def test_the_kinds_add_up_and_a_language_has_jeffreys_interval(rows):
    for row in rows:
        assert sum(getattr(row, kind).value for kind in KINDS) == pytest.approx(100, abs=1e-4)
        for name, kinds in SUMS.items():
            parts = sum(getattr(row, kind).value for kind in kinds)
            assert getattr(row, name).value == pytest.approx(parts, abs=1e-4)
        for share in (getattr(row, name) for name in SHARES):
            assert share.low <= share.value <= share.high and share.low < share.high
    row = found(rows, "few", "fi")
    assert row.spec == "spec of few" and row.prompts == PROMPTS
    low, high = scipy.stats.beta(6.5, PROMPTS - 5.5).interval(0.95)
    expected = (25.0, 100 * low, 100 * high)
    assert row.exact.numbers == pytest.approx(expected, abs=1e-4)
    assert row.other_language.value == 100 * 6 / PROMPTS
    assert row.right_elsewhere.value == pytest.approx(100 * 3 / PROMPTS, abs=1e-4)
    assert row.wrong_language.value == pytest.approx(100 * 3 / PROMPTS, abs=1e-4)
    assert row.answer.value == pytest.approx(100 * 2 / PROMPTS, abs=1e-4)
    assert row.right.value == pytest.approx(100 * (6 + 2) / PROMPTS, abs=1e-4)
    parts = [found(rows, "few", "fi", task) for task in {r.task for r in rows} - {"all"}]
    assert sum(part.prompts for part in parts) == PROMPTS


def test_a_mean_over_languages_is_over_the_prompts_that_they_share(rows):
    exact = found(rows, "few", "mean").exact
    right = [[100.0 * (place < count) for count in (15, 6, 3)] for place in range(PROMPTS)]
    estimate = mean_of(means_over_prompts(np.array(right))).estimate()
    assert exact.numbers == pytest.approx(estimate.numbers)
    # Three languages are not three times as many prompts.
    low, high = scipy.stats.beta(24.5, 3 * PROMPTS - 23.5).interval(0.95)
    assert exact.high - exact.low > 100 * (high - low)


def test_what_never_happens_has_an_interval_all_the_same_and_a_part_has_no_mean(rows):
    none = found(rows, "none", "mean")
    high = 100 * scipy.stats.binomtest(0, PROMPTS).proportion_ci(method="exact").high
    assert none.echo.numbers == pytest.approx((0, 0, high))
    assert found(rows, "part", "en").prompts == PROMPTS
    assert not [row for row in rows if (row.run, row.language) == ("part", "mean")]


def test_the_table_is_read_as_it_was_written(tmp_path, rows):
    write_table(tmp_path / "outcomes.csv", Outcomes, rows)
    again = read_table(tmp_path / "outcomes.csv", Outcomes)
    nothing = dict.fromkeys(SHARES, NOTHING)
    for row, read in zip(rows, again, strict=True):
        assert dataclasses.replace(row, **nothing) == dataclasses.replace(read, **nothing)
        for name in SHARES:
            held = (getattr(one, name).numbers for one in (read, row))
            assert next(held) == pytest.approx(next(held), rel=1e-5, abs=1e-9)
    lines = (tmp_path / "outcomes.csv").read_text().splitlines()
    (tmp_path / "outcomes.csv").write_text("\n".join(line.replace("echo,", "") for line in lines))
    with pytest.raises(ValueError, match=r"outcomes\.csv: no column \['echo'\]; run `pinch report"):
        read_table(tmp_path / "outcomes.csv", Outcomes)
