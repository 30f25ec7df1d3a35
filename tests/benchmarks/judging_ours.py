"""Our side of judging.py."""

import json
import sys
from pathlib import Path

from sides import Turns

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard
from pinch_jax.judge.model import ModelJudge
from pinch_jax.judge.prompt import read_wording
from pinch_jax.judge.protocol import Pair
from pinch_jax.model.source import open_model


def main() -> None:
    """Writes the ids of the prompts for the other side, and takes turns."""
    turns, case = Turns(), json.loads(sys.argv[1])
    model, mesh = open_model("gemma3-270m"), make_mesh(MeshConfig())
    judge = ModelJudge("own", read_wording(), model, Shard(mesh), "float32")
    pairs = [
        Pair({"id": str(number), "language": code, "prompt": prompt}, first, second)
        for number, (code, prompt, first, second) in enumerate(
            json.loads(Path(case["pairs"]).read_text())
        )
    ]
    ids = [judge.prompt_ids(pair) for pair in pairs]
    Path(case["ids"]).write_text(json.dumps({"prompts": ids, "labels": judge.labels.ids}))
    odds = judge.log_odds(pairs).tolist()
    turns.ready({"odds": odds, "tokens": sum(map(len, ids))})
    turns.take(lambda: judge.log_odds(pairs))


if __name__ == "__main__":
    main()
