"""One sentence a section: what this study's numbers say, read from the records."""

import math

import numpy as np

from pinch_jax.languages import language
from pinch_jax.report import readings
from pinch_jax.report.outcome_tables import outcome_table
from pinch_jax.report.tables import interval, number
from pinch_jax.study.config import PRETRAINED
from pinch_jax.study.outcomes import ELSEWHERE, MEAN, OTHER_LANGUAGE, RIGHT
from pinch_jax.study.records import ALL_ORDERS, Records


def monolingual(records: Records, experiment: str = "monolingual") -> str:
    """Say which tuning languages carry over most and least."""
    means = readings.matrix(records, experiment).means
    order = sorted(means, key=lambda code: -means[code].value)
    best = ", ".join(f"{language(code).name} {interval(means[code])}" for code in order[:3])
    lowest = f"{language(order[-1]).name} {interval(means[order[-1]])}"
    return f"Highest means over the other languages: {best}; lowest: {lowest}."


def slavic(records: Records) -> str:
    """Say which Slavic tuning languages carry over most and least."""
    return monolingual(records, "slavic")


def pretrained(records: Records) -> str:
    """Say how the models do against the untuned one in their own language and in the others."""
    codes = readings.judged_languages(records, "pretrained")
    rows = [row for row in records.experiment("pretrained") if row.language in codes]
    own = [row.score for row in rows if row.x == row.language]
    others = [row.score for row in rows if row.x != row.language]
    return (
        f"Against the untuned model the tuned ones score {number(min(own))} to "
        f"{number(max(own))} in their own language, {number(min(others))} to "
        f"{number(max(others))} in the others."
    )


def pinch(records: Records) -> str:
    """Say how the first dose moves the other languages, and English."""
    labels = [dose.name for dose in readings.doses(records, "pinch")]
    others = readings.dose_curve(records, "pinch", "mean_non_english")
    base = readings.dose_curve(records, "pinch", records.study["base"])
    these = readings.mean_of_these(records, "pinch", without=[records.study["base"]])
    return (
        f"Mean of the non-English languages{these}: {_first_doses(labels, others)}. "
        f"English: {interval(base[0])} at {labels[0]}, {interval(base[-1])} at {labels[-1]}."
    )


def unseen(records: Records) -> str:
    """Say how the first dose moves the languages never tuned on."""
    labels = [dose.name for dose in readings.doses(records, "unseen")]
    curve = readings.dose_curve(records, "unseen", "mean_unseen")
    seen = readings.seen_languages(records, "unseen")
    these = readings.mean_of_these(records, "unseen", without=seen)
    return f"Mean of the unseen languages{these}: {_first_doses(labels, curve)}."


def gain(records: Records) -> str:
    """Say which sets gain most and least over no tuning, mean of all languages."""
    means = readings.score_map(records, "gain").means["mean"]
    order = sorted(means, key=lambda run: -means[run].value)
    best = ", ".join(f"{records.names[run]} {interval(means[run])}" for run in order[:3])
    return (
        f"Mean of all languages against the untuned model: highest {best}; lowest "
        f"{records.names[order[-1]]} {interval(means[order[-1]])}."
    )


def sweep(records: Records, experiment: str) -> str:
    """Say the mean of all languages of each mixture of a sweep."""
    table = readings.score_map(records, experiment)
    told = "; ".join(
        f"{records.names[run]} {interval(table.means['mean'][run])}" for run in table.runs
    )
    return f"Mean of all languages: {told}."


def _first_doses(labels: list[str], curve: tuple[readings.Point, ...]) -> str:
    held = list(zip(labels, curve, strict=True))[:4]
    return "; ".join(f"{interval(mean)} at {label}" for label, mean in held)


def breadth(records: Records) -> str:
    """Say the mean of the unseen languages at every number of tuning languages."""
    points = readings.breadth_points(records, "mean_unseen")
    steps = "; ".join(
        f"{count}: {interval(orders[ALL_ORDERS])}" for count, orders in points.items()
    )
    return f"Mean of the unseen languages by number of tuning languages: {steps}."


def pairs(records: Records) -> str:
    """Count the pairs that beat both of their halves, by the interval."""
    groups = readings.pair_groups(records)
    both = sum(all(row.low > 50 for row in group) for group in groups.values())
    return (
        f"{both} of {len(groups)} bilingual models beat both of their monolingual halves "
        "(both intervals above 50)."
    )


def pretraining_share(records: Records) -> str:
    """Say Pearson's r with its interval."""
    data = readings.share_transfer(records)
    if math.isnan(data.pearson.value):
        return (
            "Pearson's r is not defined here: it needs three languages or more, and shares and "
            "scores that differ."
        )
    return (
        f"Pearson r = {interval(data.pearson, 2)} over {len(data.languages)} languages, which are "
        "its sample."
    )


def same_language(records: Records) -> str:
    """Say how many of the tuned models' responses are in the language of the instruction."""
    rows = [row for row in records.responses if row.spec != PRETRAINED]
    rows = [row for row in rows if not math.isnan(row.right_language)]
    if not rows:
        return "The language of none of these responses can be identified."
    weights = [row.prompts for row in rows]
    shares = {
        name: 100 * np.average([getattr(row, field) for row in rows], weights=weights)
        for name, field in (
            ("right language", "right_language"),
            ("wrong language", "wrong_language"),
            ("too short to tell", "too_short"),
            ("echo of the prompt", "echo"),
        )
    }
    text = ", ".join(f"{name} {number(share)} %" for name, share in shares.items())
    return f"Over all tuned models and the languages that can be identified: {text}."


def outcomes(records: Records) -> str:
    """Say how often the untuned, the English, the first mixed and the best model are right."""
    return right_answers(records) or "No model answered in all languages of the study."


def right_answers(records: Records) -> str:
    """Say the same as a sentence of its own; "" where no model answered in all languages."""
    table = outcome_table(records)
    means = {run: table.rows[run, MEAN].shares for run in table.runs if (run, MEAN) in table.rows}
    if not means:
        return ""
    names = dict(zip(table.runs, table.names, strict=True))

    def told(run: str) -> str:
        shares = {name: readings.Point(*share) for name, share in means[run].items()}
        return (
            f"{names[run]} {interval(shares[RIGHT])} % right, {interval(shares[OTHER_LANGUAGE])} % "
            f"in a wrong language ({number(shares[ELSEWHERE].value)} % of all, right in it)"
        )

    best = max(means, key=lambda run: means[run][RIGHT])
    untuned = [run for run in means if records.runs[run] == PRETRAINED]
    first = [dose.run for dose in readings.doses(records, "pinch")[:2] if dose.run in means]
    chosen = dict.fromkeys([*untuned, *first, best])
    untold = {row.language for row in table.rows.values() if math.isnan(row.shares[ELSEWHERE][0])}
    these = f"all languages but {', '.join(sorted(untold))}" if untold - {MEAN} else "all languages"
    return f"Answers, mean of {these}: {'; '.join(map(told, chosen))}."


def exact_match(records: Records) -> str:
    """Say the median language's exact match beside chance."""
    rows = readings.own_language_rows(records)
    median = 100 * float(np.median([row.exact_match for row in rows]))
    by_chance = [100 * row.chance for row in rows if not math.isnan(row.chance)]
    chance = f", {number(float(np.median(by_chance)))} % by chance" if by_chance else ""
    return f"Median language: {number(median)} % exact match{chance}."


def training(records: Records) -> str:
    """Say how many runs there are and what they cost."""
    runs = [records.study["runs"][run] for run in records.tuned_runs]
    seconds = sum(run["train_seconds"] for run in runs)
    steps = sum(run["steps"] for run in runs)
    return f"{len(runs)} runs, {steps:,} steps, {number(seconds)} s of training in all."


def composition(records: Records) -> str:
    """Say how far examples and tokens differ, and whether an example was dropped."""
    runs = [records.study["runs"][run] for run in records.tuned_runs]
    tokens = [sum(run["tokens"].values()) for run in runs]
    examples = sorted({sum(run["budgets"].values()) for run in runs})
    dropped = sum(sum(run["dropped"].values()) for run in runs)
    span = f"{examples[0]:,}" + (f" to {examples[-1]:,}" if len(examples) > 1 else "")
    return (
        f"{span} examples a set; {min(tokens):,} to {max(tokens):,} tokens trained on; "
        f" {dropped:,} examples "
        "dropped because they do not fit a row."
    )
