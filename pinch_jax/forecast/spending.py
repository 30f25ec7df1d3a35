"""What a whole study takes: calls of its programs, hours, chip-hours and money."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pinch_jax.judge.model import ModelJudge
from pinch_jax.study.experiments.interface import Arm
from pinch_jax.study.plan import Study


def spending(
    study: Study, records: Mapping[str, Mapping[str, Any]], price: float
) -> list[dict[str, Any]]:
    """Returns what each experiment takes by itself, and last what all take, sharing runs.

    `records` are those of `forecast` that fit, by program; `price` is of a chip-hour. Hours, chip
    hours and cost are pairs: collectives hidden behind computing, and none of them hidden.
    """
    by_experiment: dict[str, list[Arm]] = {}
    for arm in study.arms:
        by_experiment.setdefault(arm.experiment, []).append(arm)
    parts = {**by_experiment, "all, sharing runs": study.arms}
    return [_taken(name, study, arms, records, price) for name, arms in parts.items()]


def _taken(
    name: str,
    study: Study,
    arms: Iterable[Arm],
    records: Mapping[str, Mapping[str, Any]],
    price: float,
) -> dict[str, Any]:
    c = study.bench.config
    judges = sum(c.judges[judge].kind == "model" for judge in c.study.judges)
    asked, comparisons = _needed(study, arms)
    steps = {run.directory.name: run.steps for run in study.distinct}
    answers = [c.evaluate.prompts * len(languages) for languages in asked.values()]
    verdicts = 2 * judges * comparisons * c.evaluate.prompts
    done = {"train": sum(steps[run] for run in asked), "decode": sum(answers), "judge": verdicts}
    calls = dict(done)
    if "decode" in records:
        calls["decode"] = sum(math.ceil(count / records["decode"]["work"]) for count in answers)
    if "judge" in records:
        each = judge_calls(c.evaluate.prompts, records["judge"]["work"])
        calls["judge"] = judges * comparisons * each
    chips = next((record["chips"] for record in records.values()), 0)
    hours = [
        sum(calls[kind] * record[clock] for kind, record in records.items()) / 3600
        for clock in ("hidden_seconds", "exposed_seconds")
    ]
    return {
        "experiment": name,
        "runs": sum(steps[run] > 0 for run in asked),
        "steps": done["train"],
        "answers": done["decode"],
        "answer_tokens": done["decode"] * c.evaluate.new_tokens,
        "verdicts": verdicts,
        "calls": {kind: calls[kind] for kind in records},
        "hours": hours,
        "chip_hours": [chips * hour for hour in hours],
        "cost": [price * chips * hour for hour in hours],
    }


def judge_calls(prompts: int, work: int) -> int:
    """Returns the calls of a model that judges a comparison, of at most `work` verdicts each.

    However many a call has room for, no more come together than are kept at once.
    """
    batches, rest = divmod(2 * prompts, ModelJudge.batch_size)
    return batches * math.ceil(ModelJudge.batch_size / work) + math.ceil(rest / work)


def _needed(study: Study, arms: Iterable[Arm]) -> tuple[dict[str, set[str]], int]:
    """Returns the languages that each run answers in for some arms, and how much is compared."""
    asked: dict[str, set[str]] = {}
    compared = set()
    for arm in arms:
        for language, against in arm.baselines.items():
            for runs in zip(study.runs[arm.spec], study.runs[against], strict=True):
                names = tuple(run.directory.name for run in runs)
                for name in names:
                    asked.setdefault(name, set()).add(language)
                if names[0] != names[1]:
                    compared.add((*names, language))
    return asked, len(compared)
