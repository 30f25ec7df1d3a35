"""A run's responses to the held-out prompts: which are there, and how the others are made."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from absl import logging
from tqdm import tqdm

from pinch_jax.corpus.example import Example
from pinch_jax.evaluate.answers import answer_prompts, answers_key
from pinch_jax.evaluate.records import read_responses, response_record
from pinch_jax.hosts.goodput import doing
from pinch_jax.hosts.stops import stoppable
from pinch_jax.hosts.waiting import agreed, is_primary
from pinch_jax.model.decoder import Params
from pinch_jax.storage.files import digest, json_line, write_text
from pinch_jax.study.run import Run, note_code
from pinch_jax.study.workbench import Workbench


def missing_responses(bench: Workbench, run: Run, languages: Sequence[str]) -> list[str]:
    """Returns the languages in which the run has yet to answer: the same in all processes.

    Answers to other prompts than today's, or of another model or way to answer, do not count.

    Raises:
        UserError: a file of responses is damaged.
    """

    def missing() -> list[str]:
        return [code for code in languages if not _has_answered(bench, run, code)]

    return agreed(f"reading the responses of {run.label}", missing)


def _has_answered(bench: Workbench, run: Run, language: str) -> bool:
    path = run.responses_in(language)
    if not path.exists():
        return False
    by = {"by": _made_by(bench, run)}
    unanswered = [response_record(example, "") | by for example in bench.prompts(language)]
    held = read_responses(path, kept=True).values()
    if [record | {"response": ""} for record in held] == unanswered:
        return True
    logging.warning("%s: to other prompts, or made in another way; answered anew", path)
    return False


def _made_by(bench: Workbench, run: Run) -> str:
    """Returns what says how all responses of a run are made."""
    return answers_key(bench.answers, run.fingerprint, bench.config.seed)


def write_responses(bench: Workbench, run: Run, responses: Iterable[tuple[Example, str]]) -> None:
    """Writes responses to held-out prompts, a file for each language."""
    lines: dict[str, list[str]] = {}
    by = {"by": _made_by(bench, run)}
    for example, response in responses:
        line = json_line(response_record(example, response) | by)
        lines.setdefault(example.language, []).append(line)
    for code, some in lines.items():
        write_text(run.responses_in(code), "".join(some))


def answer(
    bench: Workbench,
    run: Run,
    params: Params,
    languages: Sequence[str],
    progress: Callable[[int], None],
) -> None:
    """Writes the run's responses to the held-out prompts of these languages, one file each.

    Every batch is kept as it comes, so that an interrupted call goes on behind the last one.
    `progress(n)` is told of n responses.
    """
    examples = [e for code in languages for e in bench.prompts(code)]
    part = part_path(run, languages)
    if is_primary():
        (run.directory / "responses").mkdir(parents=True, exist_ok=True)
    done = 0

    def count(responses):
        nonlocal done
        done += responses
        progress(responses)

    def place():
        return f"in the answers of {run.label}, after {done:,} of {len(examples):,}"

    note_code(run)
    with stoppable(place), doing("answering"):
        prompts, seed = [e.asked for e in examples], bench.config.seed
        responses = answer_prompts(
            bench.answers, params, run.fingerprint, prompts, seed, part, count
        )
    if not is_primary():
        return
    write_responses(bench, run, zip(examples, responses, strict=True))
    part.unlink()


def part_path(run: Run, languages: Sequence[str]) -> Path:
    """Returns where the answers of a run to prompts in some languages are kept until all are."""
    name = "-".join(languages)
    # No file system has names of a hundred codes.
    return run.directory / f"responses-{name if len(name) < 200 else digest(name)}.part"


def response_bar(bench: Workbench, languages: Sequence[str], disable: bool) -> tqdm:
    """Returns the progress bar of `answer`, with the time that is left."""
    total = sum(len(bench.prompts(code)) for code in languages)
    return tqdm(total=total, desc="answers", unit="response", disable=disable, leave=False)
