"""What a model expects of any texts: `pinch score`."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard
from pinch_jax.errors import UserError
from pinch_jax.evaluate.score import Scorer
from pinch_jax.hosts.waiting import is_primary
from pinch_jax.model.source import open_model
from pinch_jax.storage.files import write_text
from pinch_jax.storage.json_input import check_fields, read_objects
from pinch_jax.text.base import check_ids
from pinch_jax.text.tokenizer import Tokenizer


def score_file(source: str, texts: Path, output: Path) -> int:
    """Returns how many texts were scored; writes a line of ids and logprobs for each, in order.

    `source` is what `open_model` takes; `output` is written whole or not at all.

    Raises:
        UserError: there is no such model, or no such file of texts.
        UserError: a line is no text; names the line and the field.
    """
    model = open_model(source, field="--model")
    ids = list(read_texts(texts, model.tokenizer, model.decoder.vocab_size))
    mesh = make_mesh(MeshConfig())
    params = model.load_on(mesh, what=f"--model={source}")
    scorer = Scorer(model.decoder, mesh, Shard(mesh))
    with tqdm(total=len(ids), desc="scores", unit="text", disable=not is_primary()) as bar:
        logprobs = scorer(params, ids, bar.update)
    if not all(np.isfinite(of).all() for of in logprobs):
        raise UserError(f"--model={source} gives log-probabilities that are not finite; mend it")
    if is_primary():
        records = [
            {"ids": some, "logprobs": [round(float(x), 6) for x in of]}
            for some, of in zip(ids, logprobs, strict=True)
        ]
        lines = [json.dumps(record, allow_nan=False) + "\n" for record in records]
        output.parent.mkdir(parents=True, exist_ok=True)
        write_text(output, "".join(lines))
    return len(ids)


def read_texts(path: Path, tokenizer: Tokenizer, vocab_size: int) -> Iterator[list[int]]:
    """Yields the ids of each line of a file of JSON lines, with a `text` or with `ids`.

    A text begins with BOS where those of the model do; ids are taken as they are.

    Raises:
        UserError: a line has not exactly one of them, or not what a model could read.
    """
    before = [tokenizer.bos_id] if tokenizer.adds_bos else []
    for place, record in read_objects(path):
        if len({"text", "ids"} & record.keys()) != 1:
            raise UserError(f'{place}: has {sorted(record)}; give either "text" or "ids"')
        if "text" in record:
            check_fields(place, record, ("text",))
            ids = before + tokenizer.encode(record["text"])
        else:
            ids = record["ids"]
            if not isinstance(ids, list) or not ids or not all(type(i) is int for i in ids):
                raise UserError(f"{place}: ids={ids!r} is no list of whole numbers, or empty")
        check_ids(ids, vocab_size, tokenizer, place)
        yield ids
