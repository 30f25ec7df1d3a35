"""Answers to many prompts, batch by batch: a stop loses at most the batch at hand."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pinch_jax.evaluate.evaluators import Answers
from pinch_jax.json_lines import mend_last_line
from pinch_jax.mesh import agreed, is_primary
from pinch_jax.model.decoder import Params


def answer_prompts(
    answers: Answers,
    params: Params,
    prompts: Sequence[str],
    seed: int,
    part: Path,
    progress: Callable[[int], None],
) -> list[str]:
    """Returns a response to each prompt, going on behind the last batch that `part` holds.

    `part` grows by a line a batch; it is the caller's to delete once the responses are safe. One
    that was left by a model or prompts of another kind has to be elsewhere: that of other prompts
    is begun anew. `progress(n)` is told of n responses.
    """
    asked = hashlib.sha256(json.dumps([seed, answers.rows, *prompts]).encode()).hexdigest()
    known = _read(part, asked) if is_primary() else []
    responses = [""] * len(prompts)
    for line in known:
        _enter(responses, line["prompts"], line["responses"])
        progress(len(line["prompts"]))
    if is_primary() and not known:
        part.write_text(json.dumps({"asked": asked}) + "\n", encoding="utf-8")
    for members, some in answers.stream(params, prompts, seed, agreed(len(known))):
        _enter(responses, members, some)
        if is_primary():
            line = json.dumps({"prompts": members, "responses": some}, ensure_ascii=False)
            with part.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        progress(len(members))
    return responses


def _enter(responses: list[str], members: Sequence[int], some: Sequence[str]) -> None:
    for member, response in zip(members, some, strict=True):
        responses[member] = response


def _read(part: Path, asked: str) -> list[dict]:
    """Returns the batches of a file that was begun for the same prompts."""
    if not part.exists():
        return []
    mend_last_line(part)
    lines = [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
    return lines[1:] if lines and lines[0] == {"asked": asked} else []
