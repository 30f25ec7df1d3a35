"""Answers to many prompts: a stop loses at most the batch at hand, and changes no answer."""

import dataclasses
import json

import pytest
from test_evaluators import HELDOUT, PARAMS, answers

from pinch_jax.evaluate.answers import answer_prompts
from pinch_jax.evaluate.decode import Sampling
from pinch_jax.languages import _FAMILY_OF
from pinch_jax.storage.files import CHECKSUM, json_line, write_text
from pinch_jax.study.responses import part_path
from pinch_jax.study.run import Run

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


@pytest.mark.parametrize(
    "change",
    [
        {"new_tokens": 2},
        {"rows": 4},
        {"prompt_tokens": 26},
        {"sampling": Sampling(0.7)},
        {"sampling": Sampling(0.0, 0.9)},
        {"dtype": "bfloat16"},
        {"weights": "of another model"},
        {"seed": 1},
    ],
)
def test_what_a_stop_left_is_taken_over_by_the_same_settings_alone(answers, tmp_path, change):
    """The key is compared before anything is answered: no program is compiled here."""
    part, prompts = tmp_path / "answers.part", PROMPTS[:3]

    class Begun(Exception):
        pass

    class Stopped(type(answers)):
        """Tells from which batch it is asked to go on."""

        def stream(self, params, prompts, seed, first=0):
            raise Begun(first)

    def first_batch(weights="w", seed=0, **settings):
        held = {field.name: getattr(answers, field.name) for field in dataclasses.fields(answers)}
        with pytest.raises(Begun) as begun:
            answer_prompts(
                Stopped(**held | settings), PARAMS, weights, prompts, seed, part, lambda count: None
            )
        return begun.value.args[0]

    assert first_batch() == 0
    with part.open("a", encoding="utf-8") as file:
        file.write(json_line({"prompts": [0], "responses": ["of the first settings"]}))
    assert first_batch() == 1
    assert first_batch(**change) == 0
    assert "of the first settings" not in part.read_text(encoding="utf-8")


def test_what_is_drawn_for_a_prompt_is_its_own_whatever_is_asked_beside_it(answers, tmp_path):
    hot = dataclasses.replace(answers, sampling=Sampling(1.0))
    different = list(dict.fromkeys(PROMPTS))
    whole = dict(zip(different, hot(PARAMS, different, 0), strict=True))
    assert len(set(whole.values())) == len(whole)
    # In another order, beside others, and alone in a batch.
    for asked in (different[::-1], different[1:], different[-1:]):
        assert hot(PARAMS, asked, 0) == [whole[prompt] for prompt in asked]
    wider = dataclasses.replace(hot, rows=16)
    assert wider(PARAMS, different, 0) == list(whole.values())
    # The same prompt twice is answered twice, and another seed draws anew.
    first, second = hot(PARAMS, different[:1] * 2, 0)
    assert first == whole[different[0]] != second
    assert hot(PARAMS, different, 1) != list(whole.values())


def test_answers_in_a_hundred_languages_have_a_file_until_all_are_there(tmp_path):
    run, codes = Run("pinch:1", None, "f", tmp_path), sorted(_FAMILY_OF)
    part = part_path(run, codes)
    write_text(part, "")
    assert len(codes) > 100 and part.exists() and part_path(run, codes[1:]) != part
    assert part_path(run, ("en", "fi")).name == "responses-en-fi.part"
