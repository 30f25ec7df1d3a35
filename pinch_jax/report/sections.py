"""The sections of the page, each made of what its experiment declares."""

import dataclasses
import math

from pinch_jax.report import tables
from pinch_jax.report.figures import cell_table, draw
from pinch_jax.report.groups import title_of
from pinch_jax.report.run_sections import run_sections
from pinch_jax.report.tables import Section
from pinch_jax.study.experiments.figure import SCORE, Figure, HeatMap, Matrix, Scatter, Shares
from pinch_jax.study.experiments.interface import Beside
from pinch_jax.study.experiments.registry import experiments_of
from pinch_jax.study.experiments.sweep import baseline_of, best_and_worst, shape_of
from pinch_jax.study.records import Records


def make_sections(records: Records) -> list[Section]:
    """Returns the sections: the answers, the experiments in their order, the runs themselves."""
    before, behind = run_sections(records)
    return [*before, *(section(records, name) for name in ran(records)), *behind]


def ran(records: Records) -> list[str]:
    """Returns the experiments with something to show, in the order of the page."""
    held = experiments_of(records.study).items()
    return [name for name, of in held if _has_data(records, name, of.figure)]


def _has_data(records: Records, name: str, figure: Figure | None) -> bool:
    if isinstance(figure, Scatter):
        return bool(figure.points(records))
    if isinstance(figure, Shares):
        return bool(figure.counts(records))
    if isinstance(figure, Matrix):
        return bool(figure.cells(records))
    if isinstance(figure, HeatMap) and figure.of != SCORE:
        return bool(records.responses)
    return bool(records.experiment(name))


def figure_of(records: Records, name: str) -> Figure:
    """Returns the figure that an experiment declares, or that its scores have the shape of."""
    return experiments_of(records.study)[name].figure or shape_of(records, name)


def section(records: Records, name: str) -> Section:
    """Returns the section of an experiment."""
    held, figure = experiments_of(records.study)[name], figure_of(records, name)
    words = dataclasses.replace(held.words, title=title_of(records, name))
    if name in records.study.get("sweeps", ()):
        lead = f"{words.lead} A score is against {baseline_of(records, name)}."
        words = dataclasses.replace(words, short=name, lead=lead)
    if isinstance(figure, Scatter):
        rows = [(code, x, *y.numbers) for code, (x, y) in figure.points(records).items()]
        rows.append(("pearson_r", math.nan, *figure.r(records).numbers))
        file = tables.csv_file(f"{name}.csv", figure.columns, rows)
    elif isinstance(figure, Shares):
        rows = ((*of, *counts) for of, counts in figure.counts(records).items())
        file = tables.csv_file(f"{name}.csv", ("language", "run", *figure.kinds), rows)
    elif isinstance(figure, Matrix):
        rows = ((*pair, value) for pair, value in figure.cells(records).items())
        file = tables.csv_file(f"{name}.csv", ("language", "with", "similarity"), rows)
    elif isinstance(figure, HeatMap) and figure.of != SCORE:
        file = tables.whole_file(records.workdir / "responses.csv")
    else:
        file = tables.score_file(records, name)
    own = isinstance(figure, HeatMap) and figure.of == SCORE
    table = cell_table(records, name, figure) if own else tables.csv_table(records, file)
    return Section(
        id=name,
        words=words,
        result=(held.result or best_and_worst)(records, name),
        drawings=draw(records, name, words.title, figure),
        tables=(table,),
        file=file,
        beside=[*held.beside(records, name), *_claimed(records, name)],
    )


def _claimed(records: Records, name: str) -> list[Beside]:
    """Returns the paper's numbers of an experiment's claims, beside those that were found."""
    claims = {claim.claim: claim for claim, _ in experiments_of(records.study)[name].findings}
    return [
        Beside(
            found.unit.partition(";")[0], claims[found.claim].paper, tables.finding_number(found)
        )
        for found in records.findings
        if found.claim in claims and claims[found.claim].paper and found.value is not None
    ]
