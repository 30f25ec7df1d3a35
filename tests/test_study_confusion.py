"""Line pass rates of a study: of the answers that are long enough, with intervals, on the page."""

import dataclasses
import math

import pytest
from known_sentences import EGG, HOURS, OPENING, SENTENCES
from made_up_study import write_workdir

from pinch_jax.corpus.example import Example
from pinch_jax.errors import UserError
from pinch_jax.evaluate import confusion as rates
from pinch_jax.evaluate.records import read_responses, response_record, words_of_records
from pinch_jax.report.confusion_section import confusion_section
from pinch_jax.report.sections import make_sections
from pinch_jax.storage.files import json_line
from pinch_jax.study.comparisons import Answers, Results
from pinch_jax.study.confusion import confusion_rows
from pinch_jax.study.records import read_records

EN = (OPENING, HOURS, EGG)
FI, ES = ([SENTENCES[text][code] for text in EN] for code in ("fi", "es"))
SHORT = "Kyllä."


def results(answers, languages=("fi", "es"), draws=(("one",),)):
    """Returns a study of these answers: (run, language) -> texts."""
    held = {
        key: Answers({f"q{n}": {"response": text} for n, text in enumerate(texts)}, {})
        for key, texts in answers.items()
    }
    prompts = tuple(f"q{n}" for n in range(max(map(len, answers.values()))))
    runs = {run: {"spec": run} for run, _ in answers}
    study = {"languages": languages, "runs": runs}
    return Results(study, held, prompts, {own[0]: own for own in draws}, {})


def test_rates_are_those_of_the_answers_that_count_and_means_are_over_languages():
    rows = confusion_rows(
        results(
            {
                ("one", "fi"): [FI[0], f"{FI[1]}\n{HOURS}", SHORT, OPENING],
                ("one", "es"): [ES[0], ES[1], ES[2], HOURS],
            }
        )
    )
    told = {row.language: row for row in rows}
    assert [row.language for row in rows] == ["fi", "es", "mean"]
    assert told["fi"].counted.value == 75 and told["es"].counted.value == 100
    assert told["fi"].acc.value == pytest.approx(50) and told["fi"].lpr.value == pytest.approx(
        100 / 3
    )
    assert (told["es"].lpr.value, told["mean"].lpr.value) == (75, pytest.approx((75 + 100 / 3) / 2))
    for row in rows:
        assert row.lpr.low < row.lpr.value < row.lpr.high and row.prompts == 4
    # As the benchmark has it of the same answers.
    expected = rates.pass_rates([FI[0], f"{FI[1]}\n{HOURS}", SHORT, OPENING], "fi", None)
    assert {name: getattr(told["fi"], name).value / 100 for name in expected} == pytest.approx(
        expected
    )


def test_draws_are_one_row_with_a_wider_interval_than_their_prompts_alone_give():
    answers = {("one", "fi"): FI * 4, ("two", "fi"): [*FI, HOURS] * 3}
    (both, _) = confusion_rows(results(answers, ("fi",), (("one", "two"),)))
    (alone, _) = confusion_rows(results(answers, ("fi",), (("two",),)))
    assert (both.run, both.lpr.value, alone.lpr.value) == ("one", 87.5, 75)
    assert both.lpr.high - both.lpr.low > alone.lpr.high - alone.lpr.low


def test_a_study_of_short_answers_has_no_rates_and_a_silent_run_has_none_of_its_own():
    short = {("one", "fi"): [SHORT] * 3 + FI}
    assert confusion_rows(results(short, ("fi",))) == ()
    silent = {("one", "fi"): FI, ("one", "es"): ES, ("two", "fi"): [""] * 3, ("two", "es"): ES}
    rows = confusion_rows(results(silent, draws=(("one",), ("two",))))
    told = {(row.run, row.language): row for row in rows}
    assert told["two", "fi"].counted.value == 0 and math.isnan(told["two", "fi"].lpr.value)
    # A mean of the other language alone would be the highest of the study.
    assert math.isnan(told["two", "mean"].lpr.value) and told["two", "mean"].counted.value == 50


def test_a_language_whose_words_cannot_be_told_apart_is_left_out(monkeypatch):
    def without_jieba(base):
        if base == "zh":
            raise UserError("not installed")
        return str.split

    monkeypatch.setattr(rates, "_tokenizer", without_jieba)
    answers = {("one", code): texts for code, texts in (("fi", FI), ("es", ES), ("zh", FI))}
    rows = confusion_rows(results(answers, ("fi", "es", "zh")))
    assert [row.language for row in rows] == ["fi", "es", "mean"]


def test_a_page_shows_the_rates_only_where_there_are_some(tmp_path):
    records = read_records(write_workdir(tmp_path, prompts=3, experiments=("doses",)))
    section = confusion_section(records)
    (table,) = section.tables
    assert "confusion" in [one.id for one in make_sections(records)]
    assert table.columns[:4] == ("tuned on", "answers that count", "mean of all", "ar")
    assert table.rows[0][1:3] == ("75 [70, 80]", "40 [35, 45]")
    assert "% stay in their language whatever the model is tuned on" in section.result
    assert "fi" not in table.caption.partition("themselves pass")[2], "none has five words"
    for held in sorted((tmp_path / "runs").glob("*/responses/fi.jsonl")):
        texts = zip(read_responses(held, kept=True).values(), [FI[0], OPENING, SHORT], strict=False)
        lines = [json_line(record | {"reference": text}) for record, text in texts]
        held.write_text("".join(lines), "utf-8")
    caption = confusion_section(records).tables[0].caption
    assert "fi 50" in caption.partition("Of the references themselves pass, in percent: ")[2]
    left_out = [row for row in records.confusion if row.language != "zh"]
    table = confusion_section(dataclasses.replace(records, confusion=left_out)).tables[0]
    assert "Without zh: " in table.caption and "zh" not in table.columns
    unasked = [row for row in records.responses if row.language != "zh"]
    silent = dataclasses.replace(records, confusion=left_out, responses=unasked)
    assert "Without" not in confusion_section(silent).tables[0].caption
    none = dataclasses.replace(records, confusion=())
    assert "confusion" not in [one.id for one in make_sections(none)]


def test_a_cross_lingual_prompt_is_no_text_in_the_language_of_its_answer():
    mono = Example("a", "a", "monolingual/okapi", "fi", FI[0], FI[0])
    cross = Example("b", "b", "crosslingual/okapi", "es", f"{OPENING} Reply in Spanish.", ES[0])
    words = words_of_records([response_record(e, "") for e in (mono, mono, cross, cross)])
    assert {"spanish", "reply"}.isdisjoint(words.known) and "kirjasto" in words.by_language["fi"]
