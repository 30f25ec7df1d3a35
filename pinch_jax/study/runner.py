"""A study from its comparisons to its scores: distinct runs, each done once, then judged."""

import dataclasses
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.corpus.lid import unidentified_languages
from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.files import digest, read_record, write_record
from pinch_jax.folders import is_there, seal, whole_folder
from pinch_jax.goodput import doing
from pinch_jax.judge.reference import check_references
from pinch_jax.locks import only_writer
from pinch_jax.stops import stoppable
from pinch_jax.study.analysis import majority_answers
from pinch_jax.study.config import NONE, PRETRAINED
from pinch_jax.study.experiments.interface import Arm
from pinch_jax.study.experiments.registry import arms_of, experiments_of, judged_languages
from pinch_jax.study.judging import Matches, judge_study
from pinch_jax.study.preflight import foreign_shares, preflight
from pinch_jax.study.responses import missing_responses
from pinch_jax.study.run import Run, check_runs_alike, describe_run, make_run, response_path
from pinch_jax.study.tuning import complete_run, count_done, forget_weights
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import TOKENIZER, check_workdir, claim_workdir, results_lock
from pinch_jax.version import code_version, library_versions
from pinch_jax.waiting import agreed, is_primary, primary_alone

AGAIN = "delete it, and run `pinch study` again"


@dataclasses.dataclass(frozen=True)
class Study:
    """All comparisons of a study, and the distinct runs that they need.

    Attributes:
        runs: the runs of each tuning set, one a draw; specs that mean the same set share them.
        languages: for each run, by its directory's name, the languages it answers in.
        warnings: what is left out or cut short, in lines for people.
    """

    bench: Workbench
    workdir: Path
    arms: Sequence[Arm]
    runs: Mapping[str, Sequence[Run]]
    languages: Mapping[str, Sequence[str]]
    warnings: Sequence[str]

    @property
    def distinct(self) -> list[Run]:
        """Each run once, draw by draw, in the order in which the experiments need them."""
        by_draw = zip(*self.runs.values(), strict=True)
        return list({run.directory.name: run for draw in by_draw for run in draw}.values())

    @property
    def saved(self) -> int:
        """Runs that sharing saves: each experiment by itself would train all of its own."""
        needed: dict[str, set[str]] = {}
        for arm in self.arms:
            specs = {arm.spec, *arm.baselines.values()} - {PRETRAINED}
            names = {run.directory.name for spec in specs for run in self.runs[spec]}
            needed.setdefault(arm.experiment, set()).update(names)
        return sum(map(len, needed.values())) - len(set().union(*needed.values()))

    def lacks_answers(self, run: Run) -> bool:
        """Returns whether a run has yet to answer: the same in all processes."""
        return bool(missing_responses(self.bench, run, self.languages[run.directory.name]))


def plan_study(
    config: Config, workdir: Path, progress: bool = True, bench: Workbench | None = None
) -> Study:
    """Returns the study of a config, planned to the last batch; nothing is started.

    `bench` is one of this config that is there already.

    Raises:
        UserError: a tuning set cannot be met or loses too many examples, a prompt is too long,
            the answers could not be judged, or the work directory is another study's.
    """
    arms = arms_of(config)
    check_workdir(config, workdir)
    bench = bench or Workbench(config, progress)
    needed = judged_languages(arms)
    judged = dict.fromkeys(code for codes in needed.values() for code in codes)
    prompts = config.evaluate.prompts
    if any(config.judges[name].kind == "reference" for name in config.study.judges):
        check_references(e for code in judged for e in bench.corpus.prompts(code, prompts))
    runs: dict[str, list[Run]] = {spec: [] for spec in needed}
    plans: dict[str, BatchPlan] = {}
    by_fingerprint: dict[str, Run] = {}
    languages: dict[str, dict[str, None]] = {}
    sets = [(draw, spec) for draw in range(config.study.draws) for spec in needed]
    for draw, spec in tqdm(sets, "planning", unit="set", disable=not progress, leave=False):
        planned = make_run(bench, spec, workdir, draw)
        if planned.plan:
            plans[planned.label] = planned.plan
        run = by_fingerprint.setdefault(planned.fingerprint, planned)
        runs[spec].append(run)
        languages.setdefault(run.directory.name, {}).update(dict.fromkeys(needed[spec]))
    _check_draws(runs)
    check_runs_alike(by_fingerprint.values())
    warnings = preflight(bench, plans, judged)
    codes = {name: list(own) for name, own in languages.items()}
    return Study(bench, workdir, arms, runs, codes, warnings)


def _check_draws(runs: Mapping[str, Sequence[Run]]) -> None:
    """Raises UserError where two specs are one set in the first draw, and not in all.

    Results are kept by the first one's run. Budgets are rounded in each draw anew: 5 or 6 examples
    may be exactly 5.
    """
    first: dict[str, str] = {}
    for spec, own in runs.items():
        other = first.setdefault(own[0].directory.name, spec)
        if [run.directory for run in own] != [run.directory for run in runs[other]]:
            raise UserError(
                f"config.study.draws={len(own)}: {other!r} and {spec!r} are the same tuning set in "
                "the first draw, and differ in another; leave one of them out, or set config.seed"
            )


def describe(study: Study) -> str:
    """Returns what would run: runs, steps, tokens and responses."""
    config = study.bench.config
    distinct = study.distinct
    tuned = [run for run in distinct if run.plan]
    tokens = sum(sum(run.plan.totals()["tokens"].values()) for run in tuned)
    prompts = config.evaluate.prompts
    answers = sum(prompts * len(study.languages[run.directory.name]) for run in distinct)
    comparisons = sum(len(arm.baselines) for arm in study.arms) * config.study.draws
    lines = [
        f"{run.directory.name:56} {run.steps:4} steps, {len(study.languages[run.directory.name])}"
        " languages"
        for run in distinct
    ]
    return "\n".join(
        [
            *lines,
            *unidentified_languages(config.corpus_languages),
            f"{len(tuned)} distinct tuning sets; the experiments one by one would train "
            f"{len(tuned) + study.saved}, so sharing saves {study.saved} runs",
            f"{sum(run.steps for run in tuned):,} steps, {tokens:,} tokens, "
            f"{config.mixture.size} in each set, {config.train.epochs} epochs"
            + f", each set drawn {config.study.draws} times"
            * (config.study.draws > 1),
            f"{answers:,} responses, {comparisons:,} comparisons of {prompts} prompts, each in "
            "both orders",
            *study.warnings,
        ]
    )


def run_study(
    study: Study, shard: tuple[int, int] = (0, 1), progress: bool = True, yes: bool = False
) -> bool:
    """Trains and answers the runs of a shard, judges what can be judged.

    Returns whether the whole study is there. `shard` is (i, n): every n-th run from the i-th. `yes`
    agrees to what judges cost.

    Raises:
        Interrupted: it was told to stop; another call goes on from there.
    """
    claim_workdir(study.bench.config, study.workdir)
    mine = study.distinct[shard[0] :: shard[1]]
    total = sum(run.steps for run in mine)
    quiet = not (progress and is_primary())
    # The mean pace of this call: a set's steps are followed by its answers, which take time too.
    with tqdm(total=total, unit="step", disable=quiet, smoothing=0) as bar:
        for number, run in enumerate(mine, 1):
            bar.set_description(f"run {number} of {len(mine)} {run.label}")
            with stoppable(f"at run {number} of {len(mine)}, {run.label}"):
                if study.lacks_answers(run):
                    complete_run(study.bench, run, study.languages[run.directory.name], bar)
                else:
                    count_done(bar, run.steps)
                if study.bench.config.study.keep_weights == NONE:
                    forget_weights(run)
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
    chosen = experiments_of({"experiments": study.bench.config.study.experiments})
    measures = {name: held.measure(study.bench) for name, held in chosen.items() if held.measure}
    path = study.workdir / "study.json"

    def read() -> dict[str, Any]:
        held = read_record(path, AGAIN) if path.exists() else {}
        return held.get("measured", {})

    kept = agreed(f"reading {path}", read) if measures else {}
    measured = {}
    for name, (decisive, make) in measures.items():
        by = digest([study.bench.fingerprint(None), decisive])
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
    prompts = study.bench.config.evaluate.prompts
    asked = {
        code: study.bench.corpus.prompts(code, prompts)
        for own in study.languages.values()
        for code in own
    }
    judges = judge_study(study.bench, study.workdir, Matches(comparisons, asked), progress, yes)

    def record() -> None:
        with only_writer(results_lock(study.workdir)):
            _record(study, judges, measured)

    primary_alone("writing study.json", record)


def _compared(study: Study, arm: Arm, draw: int) -> dict[str, Any]:
    """Returns the directories of the runs that a draw of an arm holds against each other."""
    baselines = {code: study.runs[spec][draw] for code, spec in arm.baselines.items()}
    return {
        "run": study.runs[arm.spec][draw].directory.name,
        "baseline_runs": {code: run.directory.name for code, run in baselines.items()},
    }


def _record(study: Study, judges: Sequence[Mapping[str, Any]], measured: Mapping[str, Any]) -> None:
    """Writes study.json and the tokenizer, from which the analysis and the report start."""
    config, tokenizer = study.bench.config, study.workdir / TOKENIZER
    if not is_there(tokenizer):
        with whole_folder(tokenizer) as part:
            study.bench.model.tokenizer.save(part)
            seal(part)
    path = study.workdir / "study.json"
    # A call that goes on with a study may compile less than the one before.
    compilations = study.bench.compilations()
    if path.exists():
        before = read_record(path, AGAIN)
        compilations = {
            name: max(count, before["compilations"][name]) for name, count in compilations.items()
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
        "sweeps": [sweep.name for sweep in config.study.sweeps],
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
