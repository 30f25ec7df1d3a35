"""Answers of any model to any prompts: `pinch generate`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.corpus.reading.conversations import BESIDE
from pinch_jax.errors import UserError
from pinch_jax.evaluate.answers import answer_prompts
from pinch_jax.evaluate.records import asked, response_record
from pinch_jax.hosts.locks import lock_of, only_writer
from pinch_jax.hosts.stops import stoppable
from pinch_jax.storage.files import write_text
from pinch_jax.storage.json_input import check_fields, read_objects
from pinch_jax.study.inputs import Inputs
from pinch_jax.study.workbench import Workbench

Record = Mapping[str, Any]


def read_prompts(path: Path) -> list[Record]:
    """Returns the records of a file of JSON lines, each with a `prompt`.

    Raises:
        UserError: a line is no object with a `prompt`, or says more beside it, or there is none.
    """
    records = []
    for place, record in read_objects(path):
        check_fields(place, record, ("prompt",))
        if beside := [name for name in BESIDE if record.get(name)]:
            raise UserError(
                f"{place}: {beside[0]}={str(record[beside[0]])[:40]!r} beside a prompt is not "
                "read; write all of it into `prompt`, turns into `asked`, or take it out"
            )
        records.append(record)
    if not records:
        raise UserError(f"--prompts={path}: no prompts in it")
    return records


def heldout_prompts(config: Config) -> list[Record]:
    """Returns the first evaluate.prompts held-out prompts of each language, still unanswered."""
    inputs = Inputs(config, languages=config.languages)
    return [response_record(e, "") for code in config.languages for e in inputs.prompts(code)]


def generate_answers(
    config: Config, source: str | None, prompts: Sequence[Record], output: Path | None
) -> list[Record]:
    """Returns the prompts' records with a `response`, and writes them to `output`.

    The config says how, and by which model unless `source`, what `open_model` takes, names another.
    Beside `output`, JSON lines, a stop leaves what another call goes on from.
    """
    # Prompts may need any token.
    model = dataclasses.replace(config.model, trim_vocabulary=False)
    if source is not None:
        model = dataclasses.replace(model, source=source, tokenizer="", decoder=None)
    bench = Workbench(dataclasses.replace(config, model=model))
    texts = [asked(record) for record in prompts]
    with tqdm(total=len(texts), desc="answers", unit="response") as bar:
        if output is None:
            responses = bench.answers(bench.pretrained, texts, config.seed, bar.update)
            return _answered(prompts, responses)
        weights = bench.fingerprint(None)
        part = output.with_name(f"{output.name}-{weights[:12]}.part")
        with only_writer(lock_of(output)), stoppable("while answering"):
            responses = answer_prompts(
                bench.answers, bench.pretrained, weights, texts, config.seed, part, bar.update
            )
            answered = _answered(prompts, responses)
            lines = (json.dumps(r, ensure_ascii=False, allow_nan=False) for r in answered)
            write_text(output, "".join(f"{line}\n" for line in lines))
            part.unlink()
            return answered


def _answered(prompts: Sequence[Record], responses: Sequence[str]) -> list[Record]:
    return [
        {**record, "response": response}
        for record, response in zip(prompts, responses, strict=True)
    ]
