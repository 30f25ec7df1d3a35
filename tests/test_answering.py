"""Answers to many prompts: a stop loses at most the batch at hand, and changes no answer."""

import json

import pytest
from test_evaluators import HELDOUT, PARAMS, answers

from pinch_jax.evaluate.answering import answer_prompts
from pinch_jax.files import CHECKSUM, json_line

__all__ = ["answers"]  # a fixture

PROMPTS = [one.prompt for some in HELDOUT.values() for one in some] * 5


def test_a_stop_changes_no_answer_and_no_batch_is_answered_twice(answers, tmp_path):
    whole = answers(PARAMS, PROMPTS, 0)
    part, told = tmp_path / "answers.part", []

    def stop_after_two(count):
        told.append(count)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_prompts(answers, PARAMS, "w", PROMPTS, 0, part, stop_after_two)
    with part.open("a", encoding="utf-8") as file:
        file.write('{"prompts": [1, 2], "resp')  # torn by the stop
    lines = part.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 2 + 1
    # What the file holds is taken from it.
    kept = json.loads(lines[1])
    del kept[CHECKSUM]
    kept["responses"][0] = "as it was written down"
    lines[1] = json_line(kept).rstrip()
    part.write_text("\n".join(lines), encoding="utf-8")
    told.clear()
    again = answer_prompts(answers, PARAMS, "w", PROMPTS, 0, part, told.append)
    expected = list(whole)
    expected[kept["prompts"][0]] = "as it was written down"
    assert again == expected and sum(told) == len(PROMPTS)
    assert len(part.read_text(encoding="utf-8").splitlines()) == 1 + len(told)


def test_what_was_begun_for_other_prompts_is_begun_anew(answers, tmp_path):
    part = tmp_path / "answers.part"
    answer_prompts(answers, PARAMS, "w", PROMPTS[:4], 0, part, lambda count: None)
    expected = answers(PARAMS, PROMPTS[1:5], 0)
    assert (
        answer_prompts(answers, PARAMS, "w", PROMPTS[1:5], 0, part, lambda count: None) == expected
    )
