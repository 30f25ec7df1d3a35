"""Answers to many prompts, batch by batch: a stop loses at most the batch at hand."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from pinch_jax.corpus.example import Prompt
from pinch_jax.evaluate.answers import Answers
from pinch_jax.files import (
    appending,
    digest,
    json_line,
    mend_last_line,
    read_kept_lines,
    write_text,
)
from pinch_jax.model.decoder import Params
from pinch_jax.waiting import agreed, check_alike, is_primary


def answers_key(answers: Answers, weights: str, seed: int, prompts: Sequence[Prompt] = ()) -> str:
    """Returns the checksum of all that decides answers, `weights` being that of the parameters."""
    return digest([weights, answers.described, seed, *prompts])


def answer_prompts(
    answers: Answers,
    params: Params,
    weights: str,
    prompts: Sequence[Prompt],
    seed: int,
    part: Path,
    progress: Callable[[int], None],
) -> list[str]:
    """Returns a response to each prompt, going on behind the last batch that `part` holds.

    `part` grows by a line a batch; it is the caller's to delete once the responses are safe. One
    that was begun for other prompts, parameters or settings is begun anew; UserError if it is
    damaged. `weights` names the parameters; `progress(n)` is told of n responses.
    """
    key = answers_key(answers, weights, seed, prompts)
    check_alike({"what decides the answers": key})
    known: list[dict] = []

    def read():
        known.extend(_read(part, key))
        return len(known)

    first = agreed("reading the answers that are there", read)
    responses = [""] * len(prompts)

    def enter(members: Sequence[int], some: Sequence[str]) -> None:
        for member, response in zip(members, some, strict=True):
            responses[member] = response
        progress(len(members))

    for line in known:
        enter(line["prompts"], line["responses"])
    if is_primary() and not known:
        write_text(part, json_line({"key": key}))
    with appending(part) if is_primary() else contextlib.nullcontext() as add:
        for members, some in answers.stream(params, prompts, seed, first):
            if add:
                add(json_line({"prompts": members, "responses": some}))
            enter(members, some)
    return responses


def _read(part: Path, key: str) -> list[dict]:
    """Returns the batches of a file that was begun with the same key."""
    if not part.exists():
        return []
    mend_last_line(part)
    remedy = "delete the file, and all is answered anew"
    lines = [line for _, line in read_kept_lines(part, remedy)]
    return lines[1:] if lines and lines[0] == {"key": key} else []
