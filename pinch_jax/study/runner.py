"""A study from its plan to its verdicts: each run done once, then judged."""

from collections.abc import Mapping
from typing import Any

from pinch_jax.files import digest, read_record
from pinch_jax.goodput import doing
from pinch_jax.locks import only_writer
from pinch_jax.stops import stoppable
from pinch_jax.study.completing import complete_runs
from pinch_jax.study.experiments.registry import experiments_of, own_files
from pinch_jax.study.judging import Matches, judge_study
from pinch_jax.study.plan import Study
from pinch_jax.study.run import response_path
from pinch_jax.study.workdir import claim_workdir, results_lock
from pinch_jax.study.writing import AGAIN, write_study
from pinch_jax.waiting import agreed, is_primary, primary_alone


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
    lacking = [run.directory.name for run in study.distinct if study.lacks_answers(run)]
    if lacking:
        if is_primary():
            print(f"{len(lacking)} runs of other shards are not there yet, such as {lacking[0]}")
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
    path = study.workdir / "study.json"

    def read() -> dict[str, Any]:
        held = read_record(path, AGAIN) if path.exists() else {}
        return held.get("measured", {})

    kept = agreed(f"reading {path}", read) if measures else {}
    measured = {}
    for name, (decisive, make) in measures.items():
        by = digest([study.bench.fingerprint(None), decisive, *filter(None, [own.get(name)])])
        held = kept.get(name, {})
        measured[name] = held if held.get("by") == by else {"by": by, "is": make()}
    return measured


def _judge(study: Study, measured: Mapping[str, Any], progress: bool, yes: bool) -> None:
    """Writes all verdicts of a study, and then what it is."""
    comparisons = {
        (candidate.directory.name, baseline.directory.name, language): (
            response_path(baseline, language),
            response_path(candidate, language),
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
            write_study(study, judges, measured)

    primary_alone("writing study.json", record)
