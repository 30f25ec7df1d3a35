"""A study from its plan to its verdicts: each run done once, then judged, and kept in study.json.

From study.json the analysis and the report start.
"""

import collections
import dataclasses
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from pinch_jax.corpus.example import Example
from pinch_jax.hosts.goodput import doing
from pinch_jax.hosts.locks import only_writer
from pinch_jax.hosts.stops import stoppable
from pinch_jax.hosts.waiting import agreed, is_primary, primary_alone
from pinch_jax.storage.files import digest, read_record, write_record
from pinch_jax.storage.folders import delete_folder, is_there, seal, whole_folder
from pinch_jax.study.completing import complete_runs
from pinch_jax.study.experiments.interface import Arm
from pinch_jax.study.experiments.registry import experiments_of, own_files
from pinch_jax.study.judging import Matches, judge_study
from pinch_jax.study.plan import Study
from pinch_jax.study.preflight import foreign_shares
from pinch_jax.study.run import describe_run
from pinch_jax.study.workdir import TOKENIZER, claim_workdir, results_lock
from pinch_jax.version import code_version, library_versions


def run_study(
    study: Study,
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
    yes: bool = False,
    jobs: int = 1,
) -> bool:
    """Trains and answers the runs of a shard, judges what can be judged.

    Returns whether the whole study is there. `shard` is (i, n): every n-th run from the i-th.
    `jobs` runs are made at once, by processes that import the script that calls this: such a call
    is in its `if __name__ == "__main__":`. `yes` agrees to what judges cost.

    Raises:
        Interrupted: it was told to stop; another call goes on from there.
    """
    claim_workdir(study.bench.config, study.workdir)
    mine = study.distinct[shard[0] :: shard[1]]
    complete_runs(study, mine, jobs, quiet=not (progress and is_primary()))
    # Those of this shard have just been seen to have all of theirs.
    others = [run for n, run in enumerate(study.distinct) if n % shard[1] != shard[0]]
    lacking = [run.directory.name for run in others if study.lacks_answers(run)]
    if lacking:
        if is_primary():
            print(
                f"{len(lacking)} runs of other shards are not there yet, such as {lacking[0]}; "
                "once they are, call without --shard for verdicts and page"
            )
        return False
    with stoppable("while measuring the untuned model"), doing("evaluating"):
        measured = _measured(study)
    with stoppable("while judging"), doing("judging"):
        _judge(study, measured, progress, yes)
    return True


def _measured(study: Study) -> dict[str, Any]:
    """Returns what experiments ask of the untuned model, as it is kept where nothing changed."""
    named = study.bench.config.study.experiments
    chosen = experiments_of({"experiments": named})
    # Who edits a file of one's own may not think of what it says decides it.
    own = own_files(named)
    measures = {name: held.measure(study.bench) for name, held in chosen.items() if held.measure}
    measured, kept = {}, {}
    if measures:
        kept = agreed("reading study.json", lambda: _kept(study).get("measured", {}))
    for name, (decisive, make) in measures.items():
        by = digest([study.bench.fingerprint(None), decisive, *filter(None, [own.get(name)])])
        held = kept.get(name, {})
        measured[name] = held if held.get("by") == by else {"by": by, "is": make()}
    return measured


def _judge(study: Study, measured: Mapping[str, Any], progress: bool, yes: bool) -> None:
    """Writes all verdicts of a study, and then what it is."""
    comparisons = {
        (candidate.directory.name, baseline.directory.name, language): (
            baseline.responses_in(language),
            candidate.responses_in(language),
        )
        for arm in study.arms
        for language, against in arm.baselines.items()
        for candidate, baseline in zip(study.runs[arm.spec], study.runs[against], strict=True)
        if candidate is not baseline
    }
    asked = {code: study.bench.prompts(code) for own in study.languages.values() for code in own}
    judges = judge_study(study.bench, study.workdir, Matches(comparisons, asked), progress, yes)

    def record() -> None:
        with only_writer(results_lock(study.workdir)):
            _write(study, judges, measured)

    primary_alone("writing study.json", record)


def _kept(study: Study) -> dict[str, Any]:
    """Returns study.json as the call before has left it; {} without one."""
    path = study.workdir / "study.json"
    remedy = "delete it, and run `pinch study` again"
    return read_record(path, remedy) if path.exists() else {}


def majority_answers(examples: Iterable[Example]) -> dict[str, str]:
    """Returns task -> the answer that most of its training examples have, the first of equals.

    Always giving it is what a model that ignores the question could do: the chance level. A task
    without short answers has none.
    """
    answers: dict[str, collections.Counter[str]] = {}
    for example in examples:
        if example.answer:
            answers.setdefault(example.task, collections.Counter())[example.answer] += 1
    return {task: counter.most_common(1)[0][0] for task, counter in answers.items()}


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


def _write(study: Study, judges: Sequence[Mapping[str, Any]], measured: Mapping[str, Any]) -> None:
    """Writes study.json and the tokenizer."""
    config, before = study.bench.config, _kept(study)
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
    write_record(study.workdir / "study.json", described)
