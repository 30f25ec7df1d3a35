"""Studies beside each other: the curve of each experiment that they share, a line a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pinch_jax.errors import UserError
from pinch_jax.report import charts
from pinch_jax.report.drawing import Drawing
from pinch_jax.report.figures import line, places_of
from pinch_jax.report.groups import title_of
from pinch_jax.report.tables import Section, csv_file, csv_table
from pinch_jax.study.comparisons import judges_of
from pinch_jax.study.experiments.figure import BASE, Curve
from pinch_jax.study.experiments.interface import Words
from pinch_jax.study.experiments.registry import means_of
from pinch_jax.study.records import Records, read_records, read_study
from pinch_jax.study.rows import Score

WORDS = Words(
    short="Studies",
    title="Studies beside each other",
    lead="The same experiment in several studies, such as other models, sizes or seeds. A line is "
    "a study. Scores are against the baselines of their own study.",
    caption="A band is a 95 % interval. The dashed line is 50: as good as the baseline.",
)

_OTHER_PROMPTS = "the studies asked other prompts"
# What is said where the fields of a part of the configs differ.
_SETTINGS = (
    (_OTHER_PROMPTS, "corpus", "name", "heldout"),
    (_OTHER_PROMPTS, "evaluate", "prompts", "recipe"),
    ("answers end, or are drawn, otherwise", "evaluate", "new_tokens", "temperature", "top_p"),
    ("tuning sets are of other sizes", "mixture", "examples", "supervised_tokens"),
)


def read_others(workdir: Path, others: list[Path]) -> dict[str, Records]:
    """Returns the records of other studies, by what each is called.

    Raises:
        UserError: one of them is no finished study, or is called as another.
    """
    found: dict[str, Records] = {}
    for path in others:
        name = path.resolve().name
        if name in found or name == workdir.resolve().name:
            raise UserError(f"--beside={path}: there are two studies called {name!r}; rename one")
        found[name] = read_records(path)
    return found


def check_judges(workdir: Path, others: list[Path]) -> None:
    """Raises UserError where another study was judged by another judge; reads nothing else."""
    judge = _judge(workdir)
    for path in others:
        if (other := _judge(path)) != judge:
            raise UserError(
                f"--beside={path}: its judge is {other!r}, and that of --workdir={workdir} is "
                f"{judge!r}; scores by two judges cannot be compared"
            )


def _judge(workdir: Path) -> str:
    """Returns who made the figures of a study: a model or a service in its very version."""
    first = judges_of(read_study(workdir))[0]
    # The reference judge's version says which prompts there were, which may differ.
    return first["name"] + (f" {first['version']}" if first["kind"] != "reference" else "")


def comparison(
    records: Records, others: Mapping[str, Records], curves: Mapping[str, Curve]
) -> Section:
    """Returns the section of several studies; `curves` are those of the first, by experiment.

    Raises:
        UserError: they share no curve.
    """
    studies = {records.workdir.resolve().name: records, **others}
    drawings, table = [], []
    for name, figure in curves.items():
        mean = next(iter(figure.lines))
        held = {
            study: of.experiment(name, of.study["base"] if mean == BASE else mean)
            for study, of in studies.items()
        }
        held = {study: rows for study, rows in held.items() if rows}
        if len(held) < 2:
            continue
        places = places_of(row for rows in held.values() for row in rows)
        points = []
        for study, rows in held.items():
            look = {"kind": "thick", "line": study}
            points += line(studies[study], name, rows[0].language, look, places)
        spec = charts.curve_chart(points, figure.x, [label for _, label in places], "")
        title = title_of(records, name)
        drawings.append(Drawing(f"studies-{name}", title, spec, _unlike(held, studies, name, mean)))
        table += [
            (study, name, row.x, row.language, row.series, *row.score.numbers)
            for study, rows in held.items()
            for row in rows
        ]
    if not drawings:
        raise UserError(
            f"--beside: {', '.join(others)} and {records.workdir} have no curve of the same "
            "experiment; run the same experiments, or sweeps of the same name"
        )
    columns = ("study", "experiment", "x", "language", "series", "score", "low", "high")
    file = csv_file("studies.csv", columns, table)
    count = f"{len(drawings)} curve" + "s" * (len(drawings) > 1)
    said = f"Of {len(studies)} studies two or more have {count} in common."
    return Section("studies", WORDS, said, drawings, (csv_table(records, file),), file)


def _unlike(
    held: Mapping[str, Sequence[Score]], studies: Mapping[str, Records], name: str, mean: str
) -> str:
    """Returns a warning where studies differ in more than what they are beside each other for."""
    reasons = []
    told = {study: _over(studies[study], rows[0].run, name, mean) for study, rows in held.items()}
    if len(set(told.values())) > 1:
        each = "; ".join(f"{study}: {', '.join(codes)}" for study, codes in told.items())
        reasons.append(f"these means are over different languages ({each})")
    configs = [studies[study].config for study in held]
    for said, part, *fields in _SETTINGS:
        held_by = {str([config[part].get(name) or "" for name in fields]) for config in configs}
        reasons += [said] * (len(held_by) > 1)
    answered = {str(studies[study].study["judges"][0].get("answered_by") or []) for study in held}
    reasons += ["other models answered as the judge"] * (len(answered) > 1)
    mixtures = [_mixtures(studies[study], name) for study in held]
    if any(len({of[key] for of in mixtures}) > 1 for key in set.intersection(*map(set, mixtures))):
        reasons.append("mixtures at the same place, or what they are held against, are others")
    alone = [study for study in held if studies[study].draw_count == 1]
    if 0 < len(alone) < len(held):
        reasons.append(f"the bands of {', '.join(alone)} leave the choice of examples out")
    return f"Not like with like: {'; '.join(dict.fromkeys(reasons))}." if reasons else ""


def _mixtures(records: Records, name: str) -> dict[tuple[str | float, ...], str]:
    """Returns the mixture at each place of an experiment, and what it is held against by language.

    Sweeps of one name may be of different mixtures.
    """
    found = {}
    for arm in records.study["arms"]:
        if arm["experiment"] == name:
            place = arm["x"], arm["series"]
            found[place] = arm["spec"]
            found |= {(*place, code): spec for code, spec in arm["baselines"].items()}
    return found


def _over(records: Records, run: str, name: str, mean: str) -> tuple[str, ...]:
    """Returns the languages that an experiment's mean is over, where this run is judged.

    One that has no arms of its own has the mean of all the languages that it tells of.
    """
    for arm in records.study["arms"]:
        if (arm["experiment"], arm["run"]) == (name, run):
            return tuple(sorted(means_of(records.study, arm).get(mean, ())))
    return tuple(sorted(records.judged_in(name)))
