"""Held-out instructions without reference or answer: what cannot be told is absent."""

import csv
import dataclasses
import json
import math

import made_up_study
import pytest

from ml_collections_configs import tiny
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.evaluate.outcome import classify
from pinch_jax.judge.protocol import Pair
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.report import run_sections
from pinch_jax.storage.folders import seal
from pinch_jax.study.analysis import response_shares
from pinch_jax.study.comparisons import Answers
from pinch_jax.study.plan import plan_study
from pinch_jax.study.records import TABLES, read_records
from pinch_jax.study.runner import majority_answers

ASKED = "Which currency do people use in the country called Kenya?"
TOLD = "The currency of this country is the Kenyan Shilling."


def without(examples, fields=("response", "answer")):
    return tuple(dataclasses.replace(e, **dict.fromkeys(fields, "")) for e in examples)


def test_a_response_is_only_held_against_what_there_is():
    for response in (TOLD, ""):
        outcome = classify(ASKED, response, "en", "", "")
        assert outcome.exact_match is outcome.answer_match is outcome.chrf is None
        assert outcome.right_language == bool(response) and not outcome.echo
    assert classify(ASKED, ASKED, "en", "", "").echo
    assert classify(ASKED, ASKED.replace("called", "caled"), "en", "", "").echo
    assert classify(ASKED, "Tämän maan valuutta on Kenian šillinki.", "en", "").wrong_language
    assert classify(ASKED, TOLD, "en", "", "Kenyan Shilling").answer_match is True
    assert classify(ASKED, TOLD, "en", TOLD).exact_match is True


def test_the_reference_judge_judges_nothing_without_a_reference():
    record = {"id": "a-1", "language": "en", "prompt": ASKED, "reference": "", "answer": ""}
    with pytest.raises(ValueError, match="judge='reference-5': en 'a-1' has no reference"):
        ReferenceJudge().judge([Pair(record, TOLD, "")])


def test_a_study_that_cannot_be_judged_is_refused_before_it_trains(tmp_path):
    config = tiny.get_config()
    config.languages = config.study.tuning_languages = ("en", "fi")
    config.study.breadth_orders = (("en", "fi"),)
    config.study.experiments = ("monolingual",)
    config.mixture.examples = config.evaluate.prompts = 4
    config.corpus.data_dir, config.corpus.name = str(tmp_path), "mine"
    for split in ("train", "heldout"):
        config.corpus[split] = (f"jsonl:{tmp_path}/{split}-{{language}}.jsonl",)
        for code in config.languages:
            examples = getattr(cldr, f"{split}_examples")(code)[:5]
            if split == "heldout":
                examples = examples[:3] + without(examples[3:])
            lines = [json.dumps(dataclasses.asdict(e)) + "\n" for e in examples]
            (tmp_path / f"{split}-{code}.jsonl").write_text("".join(lines), "utf-8")
    told = r"config\.study\.judge='reference': 2 of 8 held-out prompts .* en '.*set another judge"
    with pytest.raises(ValueError, match=told):
        plan_study(from_config_dict(config), tmp_path / "study", progress=False)
    config.evaluate.prompts = 6
    with pytest.raises(ValueError, match=r"config\.evaluate\.prompts=6: .* holds out 5 examples"):
        plan_study(from_config_dict(config), tmp_path / "many", progress=False)
    config.evaluate.prompts = 3
    assert plan_study(from_config_dict(config), tmp_path / "other", progress=False).arms


def shares(records, majority):
    held = {str(place): record for place, record in enumerate(records)}
    fields = ("prompt", "response", "language", "reference", "answer")
    outcomes = {i: classify(*(record[f] for f in fields)) for i, record in held.items()}
    study = {"majority_answers": {"en": majority}, "runs": {"run": {"spec": "monolingual:en"}}}
    return response_shares([Answers(held, outcomes)], "run", "en", study)


def test_shares_are_over_the_prompts_that_can_be_told():
    record = {"language": "en", "prompt": ASKED, "response": TOLD, "task": "currency"}
    known = record | {"reference": TOLD, "answer": "Kenyan Shilling"}
    unknown = record | {"reference": "", "answer": ""}
    majority = {"currency": "Kenyan Shilling"}
    for records, expected in (
        ([known], 1.0),
        ([known, unknown, unknown], 1.0),
        ([unknown, unknown], math.nan),
    ):
        row = shares(records, majority)
        figures = (row.exact_match, row.answer_match, row.chrf / 100, row.chance)
        assert figures == pytest.approx((expected,) * 4, nan_ok=True)
        assert row.right_language == 1.0 and row.prompts == len(records)
    # A task that has no short answers has none to give always.
    assert majority_answers(without(cldr.heldout_examples("en"))) == {}


def test_the_report_leaves_out_what_could_not_be_told(tmp_path):
    workdir = made_up_study.write_workdir(tmp_path)
    path = workdir / "responses.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    blank = dict.fromkeys(("answer_match", "chance"), "")
    made_up_study.write_table(path, [row | blank for row in rows])
    seal(workdir, TABLES)
    records = read_records(workdir)
    section = run_sections.exact_match(records)
    assert section.result.endswith(" %.") and "chance" not in section.result
    assert "NaN" not in json.dumps(section.drawings[0].spec)
    blank |= dict.fromkeys(("exact_match", "chrf"), "")
    made_up_study.write_table(path, [row | blank for row in rows])
    seal(workdir, TABLES)
    before, behind = run_sections.run_sections(read_records(workdir))
    assert "exact_match" not in {section.id for section in (*before, *behind)}
