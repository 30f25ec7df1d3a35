"""A study as it is planned: its comparisons, and the distinct runs that they need."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from pinch_jax.config import Config
from pinch_jax.corpus.lid import unidentified_languages
from pinch_jax.data.batches import BatchPlan
from pinch_jax.errors import UserError
from pinch_jax.judge.reference import check_references
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.experiments.interface import Arm
from pinch_jax.study.experiments.registry import arms_of, judged_languages
from pinch_jax.study.judging import check_certificates
from pinch_jax.study.preflight import preflight
from pinch_jax.study.responses import missing_responses
from pinch_jax.study.run import Run, check_runs_alike, make_run
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import check_workdir


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
            the answers could not be judged, a judge's certificate is not there, or the work
            directory is another study's.
    """
    arms = arms_of(config)
    check_workdir(config, workdir)
    check_certificates(config)
    bench = bench or Workbench(config, progress)
    needed = judged_languages(arms)
    judged = dict.fromkeys(code for codes in needed.values() for code in codes)
    if any(config.judges[name].kind == "reference" for name in config.study.judges):
        check_references(e for code in judged for e in bench.prompts(code))
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
    check_runs_alike(config, by_fingerprint.values())
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
    draws = f", each set drawn {config.study.draws} times" * (config.study.draws > 1)
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
            f"{config.mixture.size} in each set, {config.train.epochs} epochs{draws}",
            f"{answers:,} responses, {comparisons:,} comparisons of {prompts} prompts, each in "
            "both orders",
            *study.warnings,
        ]
    )
