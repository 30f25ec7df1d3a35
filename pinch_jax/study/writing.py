"""study.json: what a study was, from which analysis and report start."""

import dataclasses
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from pinch_jax.files import read_record, write_record
from pinch_jax.folders import delete_folder, is_there, seal, whole_folder
from pinch_jax.study.analysis import majority_answers
from pinch_jax.study.experiments.interface import Arm
from pinch_jax.study.experiments.registry import own_files
from pinch_jax.study.plan import Study
from pinch_jax.study.preflight import foreign_shares
from pinch_jax.study.run import describe_run
from pinch_jax.study.workdir import TOKENIZER
from pinch_jax.version import code_version, library_versions

AGAIN = "delete it, and run `pinch study` again"


def _compared(study: Study, arm: Arm, draw: int) -> dict[str, Any]:
    """Returns the directories of the runs that a draw of an arm holds against each other."""
    baselines = {code: study.runs[spec][draw] for code, spec in arm.baselines.items()}
    return {
        "run": study.runs[arm.spec][draw].directory.name,
        "baseline_runs": {code: run.directory.name for code, run in baselines.items()},
    }


def _keep_tokenizer(study: Study, kept: str | None) -> None:
    """Writes the tokenizer of a study, unless that is the one that is kept, by its checksum.

    The files of a model may be others than those of the call before.
    """
    tokenizer, folder = study.bench.model.tokenizer, study.workdir / TOKENIZER
    if kept != tokenizer.checksum or not is_there(folder):
        delete_folder(folder)
        with whole_folder(folder) as part:
            tokenizer.save(part)
            seal(part)


def write_study(
    study: Study, judges: Sequence[Mapping[str, Any]], measured: Mapping[str, Any]
) -> None:
    """Writes study.json and the tokenizer, from which the analysis and the report start."""
    config, path = study.bench.config, study.workdir / "study.json"
    before = read_record(path, AGAIN) if path.exists() else {}
    _keep_tokenizer(study, before.get("tokenizer"))
    # A call that goes on with a study may compile less than the one before.
    compilations = {
        name: max(count, before.get("compilations", {}).get(name, 0))
        for name, count in study.bench.compilations().items()
    }
    described = {
        # That of the work directory may be of a later call, which has not come so far.
        "config": json.loads(config.to_json()),
        "languages": config.languages,
        "slavic": config.study.slavic_languages,
        "tuning_languages": config.study.tuning_languages,
        "base": config.mixture.base,
        "draws": config.study.draws,
        "experiments": config.study.experiments,
        "own_files": own_files(config.study.experiments),
        "sweeps": [sweep.name for sweep in config.study.sweeps],
        "corpus_made_in": study.bench.corpus.made_in,
        "tokenizer": study.bench.model.tokenizer.checksum,
        "model": {"source": config.model.source, **dataclasses.asdict(study.bench.model.decoder)},
        "pretraining_share": dict(study.bench.model.pretraining_share),
        # The answers that a model which ignores the question would do best with.
        "majority_answers": {
            code: majority_answers(examples) for code, examples in study.bench.corpus.train.items()
        },
        "foreign_references": foreign_shares(study.bench, set().union(*study.languages.values())),
        "measured": measured,
        "arms": [
            {
                **dataclasses.asdict(arm),
                **_compared(study, arm, 0),
                "draws": [_compared(study, arm, draw) for draw in range(config.study.draws)],
            }
            for arm in study.arms
        ],
        "runs": {run.directory.name: describe_run(run) for run in study.distinct},
        "judges": judges,
        "versions": {"pinch_jax": code_version(), "python": platform.python_version()}
        | library_versions(),
        "devices": [str(device) for device in jax.devices()],
        "seeds": {"seed": config.seed, "pair_seed": config.study.pair_seed},
        "runs_saved": study.saved,
        "compilations": compilations,
    }
    write_record(path, described)
