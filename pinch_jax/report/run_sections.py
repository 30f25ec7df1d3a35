"""The sections that are no experiment's: what was answered, how the runs learned, on what."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.languages import in_order, language
from pinch_jax.report import charts
from pinch_jax.report.confusion_section import confusion_section
from pinch_jax.report.drawing import BASE_COLOUR, Drawing, language_colours
from pinch_jax.report.draws_section import draws_section
from pinch_jax.report.figures import by_family
from pinch_jax.report.groups import in_groups
from pinch_jax.report.judge_section import judge_section
from pinch_jax.report.outcome_section import outcome_section
from pinch_jax.report.tables import Section, csv_file, csv_table
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.measures import show
from pinch_jax.study.records import Records
from pinch_jax.study.rows import ResponseShares

# A longer training curve is thinned to so many points in its file, and in its figure.
KEPT_POINTS, DRAWN_POINTS = 250, 60


def run_sections(records: Records) -> tuple[list[Section], list[Section]]:
    """Returns the sections that stand before those of the experiments, and those behind them."""
    before = [outcome_section(records)] if records.outcomes else []
    before += [confusion_section(records)] if records.confusion else []
    behind = [section] if (section := judge_section(records)) else []
    behind += [draws_section(records)] if records.variance else []
    behind += [exact_match(records)] if own_language_rows(records) else []
    if records.tuned_runs:
        behind += [training(records), composition(records)]
    return before, behind


def own_language_rows(records: Records) -> list[ResponseShares]:
    """Returns what each model tuned on one language answered in it, in the study's order.

    Its set may be called otherwise: `pinch:0` is English alone. Without references there is no
    exact match, and no row.
    """
    rows = [row for row in records.responses if not math.isnan(row.exact_match)]
    held = {row.language: row for row in rows if [*records.examples_of(row.run)] == [row.language]}
    return [held[code] for code in records.languages if code in held]


def exact_match(records: Records) -> Section:
    """Returns how often the monolingual models are right word for word in their own language."""
    words = Words(
        short="Exact match",
        title="Do the models answer at all?",
        lead="How often is the answer of a model, in the language it is tuned on, the reference "
        "word for word? If hardly ever, the other figures mean nothing.",
        caption="Chance: always the most frequent answer of the task among all training examples "
        "of the language. The line across the end of a bar is its 95 % interval.",
    )
    values = []
    for row in own_language_rows(records):
        fractions = [end / 100 for end in row.exact.numbers]
        values.append((row.language, int(row.prompts), *fractions, row.chance))
    bars, chances = [], []
    for code, _, *shares in sorted(values, key=lambda value: -value[2]):
        value, low, high, chance = (100 * share for share in shares)
        told = show(Estimate(value, low, high))
        bar = {"name": language(code).name, "kind": "exact match", "score": value, "told": told}
        bars.append(bar | {"low": low, "high": high})
        if not math.isnan(chance):
            told = f"{chance:.1f} by chance"
            chances.append(bar | {"kind": "chance", "score": chance, "told": told})
    spec = charts.bar_chart(bars, "exact match (%)", None, chances)
    median = float(np.median([bar["score"] for bar in bars]))
    result = f"The median language has an exact match of {median:.1f} %"
    if chances:
        result += f"; chance is {float(np.median([bar['score'] for bar in chances])):.1f} %"
    columns = ("language", "prompts", "exact_match", "low", "high", "chance")
    file = csv_file("exact_match.csv", columns, values)
    drawing = Drawing("exact_match", words.title, spec)
    return Section("exact_match", words, f"{result}.", [drawing], (csv_table(records, file),), file)


def loss_curve(records: Records, run: str) -> list[tuple[int, float]]:
    """Returns (step, training loss) of a run, at most `KEPT_POINTS`; empty if it kept none."""
    lines = records.run_lines(run, "metrics.jsonl")
    # Lines of evaluators stand between those of the training steps.
    return thinned([(line["step"], line["loss"]) for line in lines if "loss" in line], KEPT_POINTS)


def thinned(items: list, most: int) -> list:
    """Returns at most so many items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[place] for place in np.linspace(0, len(items) - 1, most).round().astype(int)]


def training(records: Records) -> Section:
    """Returns how the loss of every tuned run fell."""
    words = Words(
        short="Training",
        title="Training curves",
        lead="The loss over the supervised tokens of each step, of every tuned model.",
        caption="A line is a run, the first draw of its set; rest the pointer on it for its name.",
    )
    curves = {run: loss_curve(records, run) for run in records.tuned_runs}

    def chart(members: list[str]) -> tuple[Mapping[str, Any], str]:
        rows = [
            {"line": records.names[run], "at": step, "value": round(loss, 4)}
            for run in members
            for step, loss in thinned(curves[run], DRAWN_POINTS)
        ]
        return charts.trace_chart(rows, "step", "loss (nats a token)"), ""

    known = [run for run, curve in curves.items() if curve]
    drawings = in_groups(records, "training", words.title, known, chart) if known else []
    steps = sum(records.study["runs"][run]["steps"] for run in curves)
    result = f"{len(curves)} runs, {steps:,} steps"
    result += ", of the first draw of each set." if records.draw_count > 1 else " in all."
    rows = [(run, *entry) for run, curve in curves.items() for entry in curve]
    file = csv_file("training.csv", ("run", "step", "loss"), rows)
    return Section("training", words, result, drawings, (), file)


def composition(records: Records) -> Section:
    """Returns what every model was tuned on, in examples and tokens."""
    alike, not_alike = "examples", "tokens"
    if records.config["mixture"].get("supervised_tokens"):
        alike, not_alike = "supervised tokens", "examples"
    words = Words(
        short="Tuning sets",
        title="What every model was tuned on",
        lead=f"The sets have the same number of {alike}. They have not the same number of "
        f"{not_alike}, because an example is longer in one language than in another.",
        caption="A bar is a tuning set, a segment the tokens of a language that were trained on.",
    )
    fields = ("budgets", "examples", "tokens", "supervised_tokens", "dropped")
    rows = []
    for run in records.tuned_runs:
        entry = records.study["runs"][run]
        codes = [code for code, count in entry["budgets"].items() if count]
        # A language is left out of a count where none of its examples was seen, or dropped.
        counts = [dict.fromkeys(codes, 0) | entry[field] for field in fields]
        rows += [(run, entry["spec"], code, *(count[code] for count in counts)) for code in codes]
    base = records.study["base"]
    known = [base, *(code for code in by_family(records.languages) if code != base)]
    members = in_order({code for _, _, code, *_ in rows}, known)
    colours = language_colours(members) | {base: BASE_COLOUR}

    def chart(runs: list[str]) -> tuple[Mapping[str, Any], str]:
        shown = [
            {"name": records.names[run], "kind": code, "value": tokens}
            | {"told": f"{budget:,} examples, {tokens:,} tokens"}
            for run, _, code, budget, _, tokens, *_ in rows
            if run in set(runs)
        ]
        order = list(dict.fromkeys(row["name"] for row in shown))
        held = {code: colours[code] for code in members if code in {r["kind"] for r in shown}}
        return charts.stacked_chart(shown, "tokens trained on, all epochs", held, order, 9), ""

    tokens = [sum(records.study["runs"][run]["tokens"].values()) for run in records.tuned_runs]
    dropped = sum(counts[-1] for _, _, _, *counts in rows)
    result = (
        f"A model was tuned on {min(tokens):,} to {max(tokens):,} tokens, all epochs together; "
        f"{dropped:,} times an example was too long for a row and left out."
    )
    steps = {records.study["runs"][run]["steps"] for run in records.tuned_runs}
    if len(steps) > 1:
        result += (
            f" They take {min(steps):,} to {max(steps):,} steps, since not all languages have room "
            "for config.batch.examples in a step: a longer run has more updates, too."
        )
    if records.draw_count > 1:
        result += " These are the first draws."
    drawings = in_groups(records, "composition", words.title, records.tuned_runs, chart)
    file = csv_file("composition.csv", ("run", "spec", "language", *fields), rows)
    return Section("composition", words, result, drawings, (csv_table(records, file),), file)
