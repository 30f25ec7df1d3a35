"""The sections of the page: each figure with its wording, its result, its table and its data."""

import dataclasses
import functools
from collections.abc import Callable

from markupsafe import Markup

from pinch_jax.languages import language
from pinch_jax.report import (
    figures,
    heat_maps,
    outcome_bars,
    outcome_tables,
    readings,
    results,
    run_figures,
    tables,
)
from pinch_jax.report.tables import DataFile, Table, csv_file, number
from pinch_jax.report.wording import WORDS
from pinch_jax.study.config import GAIN
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.records import Records


@dataclasses.dataclass(frozen=True)
class Section:
    """One section of the page; `result` is this study's answer in one sentence."""

    id: str
    wording: Words
    result: str
    svg: Markup
    tables: tuple[Table, ...]
    file: DataFile


DRAWINGS: dict[str, Callable[[Records, str], str]] = {
    "monolingual": functools.partial(heat_maps.heat_map, "monolingual"),
    "pretrained": figures.pretrained_bars,
    "pinch": figures.pinch_curves,
    "unseen": figures.unseen_curves,
    "breadth": figures.breadth_curves,
    "pairs": figures.pair_bars,
    "slavic": functools.partial(heat_maps.heat_map, "slavic"),
    "pretraining_share": figures.share_scatter,
    GAIN: functools.partial(heat_maps.score_map, GAIN),
    "same_language": heat_maps.response_shares,
    "outcomes": outcome_bars.outcome_bars,
    "exact_match": run_figures.exact_match_bars,
    "training": run_figures.training_curves,
    "composition": run_figures.compositions,
}


def make_sections(records: Records) -> list[Section]:
    """Return the sections: what the answers are, what ran, then the runs themselves."""
    names = [*(["outcomes"] if records.outcomes else []), *records.ran]
    if readings.own_language_rows(records):
        names.append("exact_match")
    if records.tuned_runs:
        names.extend(("training", "composition"))
    return [_section(records, name) for name in names]


def _section(records: Records, name: str) -> Section:
    wording = WORDS[name] if name in WORDS else records.experiments[name].words
    if name in records.study.get("sweeps", ()):
        wording = dataclasses.replace(wording, short=name, title=f"A sweep of your own: {name}")
    own = name not in DRAWINGS
    result = results.sweep(records, name) if own else getattr(results, name)(records)
    held, file = _data(records, name)
    label = f"{wording.title}. {result} The numbers are in the table below the figure."
    draw = functools.partial(figures.sweep_figure, name) if own else DRAWINGS[name]
    svg = Markup(draw(records, label))  # Its texts were escaped when it was written.
    shown = held if isinstance(held, tuple) else (held,)
    return Section(name, wording, result, svg, shown, file)


def _data(records: Records, name: str) -> tuple[Table | tuple[Table, ...], DataFile]:
    """Return a section's table or tables and its CSV file."""
    if name in ("monolingual", "slavic"):
        return tables.matrix_table(records, name), tables.score_file(records, name)
    makers = {
        GAIN: _gain_data,
        "pretraining_share": _share_data,
        "same_language": _response_data,
        "outcomes": _outcome_data,
        "exact_match": _exact_match_data,
        "training": _training_data,
        "composition": _composition_data,
    }
    if name in makers:
        return makers[name](records)
    return tables.score_table(records, name), tables.score_file(records, name)


def _gain_data(records: Records) -> tuple[Table, DataFile]:
    return tables.score_map_table(records, GAIN), tables.score_file(records, GAIN)


def _share_data(records: Records) -> tuple[Table, DataFile]:
    data = readings.share_transfer(records)
    held = list(zip(data.languages, data.share_percent, data.transfer, strict=True))
    table = Table(
        "shares and transfer",
        "Share of the pretraining tokens and mean score of the monolingual model on the others.",
        ("language", "share (%)", "mean score", "95 %"),
        tuple(
            (language(code).name, number(share, 2), number(mean.value), tables.ends(mean))
            for code, share, mean in held
        ),
        (1, 2, 3),
    )
    rows = [(code, share, *mean) for code, share, mean in held]
    rows.append(("pearson_r", readings.NAN, *data.pearson))
    columns = ("language", "pretraining_share_percent", "transfer", "low", "high")
    return table, csv_file("pretraining_share.csv", columns, rows)


def _response_data(records: Records) -> tuple[Table, DataFile]:
    fields = ("right_language", "wrong_language", "too_short", "echo", "exact_match")
    table = Table(
        "shares per run and language",
        "Percent of the responses. Right, wrong and too short add up to 100; echo is apart.",
        ("tuned on", "language", *(f"{field.replace('_', ' ')} (%)" for field in fields), "chrF"),
        tuple(
            (
                records.names[row.run],
                language(row.language).name,
                *(number(100 * getattr(row, field)) for field in fields),
                number(row.chrf),
            )
            for row in records.responses
        ),
        tuple(range(2, 8)),
    )
    return table, tables.whole_file(records.workdir / "responses.csv")


def _outcome_data(records: Records) -> tuple[tuple[Table, ...], DataFile]:
    file = tables.whole_file(records.workdir / "outcomes.csv")
    return outcome_tables.outcome_tables(records), file


def _exact_match_data(records: Records) -> tuple[Table, DataFile]:
    rows = readings.own_language_rows(records)
    values = [
        (row.language, int(row.prompts), *readings.exact_match_point(row), row.chance)
        for row in rows
    ]
    table = Table(
        "exact match and chance",
        "Exact match (%) of the monolingual models in their own language, with 95 % intervals.",
        ("language", "prompts", "exact match (%)", "low", "high", "chance (%)"),
        tuple(
            (language(code).name, str(prompts), *(number(100 * value) for value in shares))
            for code, prompts, *shares in values
        ),
        (1, 2, 3, 4, 5),
    )
    columns = ("language", "prompts", "exact_match", "low", "high", "chance")
    return table, csv_file("exact_match.csv", columns, values)


def _training_data(records: Records) -> tuple[Table, DataFile]:
    curves = {run: readings.loss_curve(records, run) for run in records.tuned_runs}
    runs = records.study["runs"]
    table = Table(
        "runs",
        "Every tuned run: steps, first and last kept loss (nats a token), seconds.",
        ("run", "steps", "first loss", "last loss", "training (s)", "decoding (s)"),
        tuple(
            (
                run,
                f"{runs[run]['steps']:,}",
                *(number(curve[at][1], 3) if curve else "–" for at in (0, -1)),
                number(runs[run]["train_seconds"]),
                number(runs[run]["decode_seconds"]),
            )
            for run, curve in curves.items()
        ),
        (1, 2, 3, 4, 5),
    )
    rows = [(run, *entry) for run, curve in curves.items() for entry in curve]
    return table, csv_file("training.csv", ("run", "step", "loss"), rows)


def _composition_data(records: Records) -> tuple[Table, DataFile]:
    fields = ("budgets", "examples", "tokens", "supervised_tokens", "dropped")
    rows = []
    for run in records.tuned_runs:
        entry = records.study["runs"][run]
        codes = [code for code, count in entry["budgets"].items() if count]
        # A language is left out of a count where none of its examples was seen, or dropped.
        counts = [dict.fromkeys(codes, 0) | entry[field] for field in fields]
        rows += [(run, entry["spec"], code, *(count[code] for count in counts)) for code in codes]
    table = Table(
        "examples and tokens of every tuning set",
        "Examples in the set; examples, tokens and supervised tokens trained on in all epochs; "
        "examples dropped as too long.",
        ("tuned on", "language", "in the set", "examples", "tokens", "supervised", "dropped"),
        tuple(
            (records.names[run], language(code).name, *(f"{count:,}" for count in counts))
            for run, _, code, *counts in rows
        ),
        (2, 3, 4, 5, 6),
    )
    return table, csv_file("composition.csv", ("run", "spec", "language", *fields), rows)
