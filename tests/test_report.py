"""The report, made from a work directory with every experiment in the formats of a study."""

import base64
import csv
import dataclasses
import hashlib
import itertools
import json
import math
import re
from html.parser import HTMLParser

import altair as alt
import made_up_study
import pytest
from bundled import LANGUAGES, STUDY_LANGUAGES
from full_disk import files_of_at_most

from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import NOTHING, Estimate
from pinch_jax.languages import direction
from pinch_jax.report import browser, charts, drawing, figures, groups, labels, tables
from pinch_jax.report.content import _code
from pinch_jax.report.drawing import SUFFIXES
from pinch_jax.report.draws_section import draws_section
from pinch_jax.report.first_screen import _answer, first_screen, leading_models
from pinch_jax.report.outcome_section import left_out, mean_shares, outcome_section
from pinch_jax.report.page import _figure_json, write_markdown, write_report
from pinch_jax.report.run_sections import composition, own_language_rows
from pinch_jax.report.sections import figure_of, make_sections, section
from pinch_jax.storage.files import write_record
from pinch_jax.storage.folders import seal
from pinch_jax.study.comparisons import answers_of
from pinch_jax.study.config import BUILT_IN, EXPERIMENTS, OF_PAGE, Sweep
from pinch_jax.study.experiments.figure import Bars, Curve, HeatMap
from pinch_jax.study.experiments.interface import HOLDS
from pinch_jax.study.experiments.pinch import OWN_MODEL, REPLACEMENT
from pinch_jax.study.measures import show
from pinch_jax.study.records import TABLES, read_records, read_study
from pinch_jax.study.rows import ALL_ORDERS, Finding
from pinch_jax.study.workdir import verdict_path

pytestmark = pytest.mark.usefixtures("figures_as_svg_alone")


class Page(HTMLParser):
    """A parsed page: its elements as (tag, attributes, text directly inside)."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        self._open.append(self.elements[-1])

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self._open:
            self._open[-1][2].append(data)

    def find(self, tag, **attributes):
        return [
            ("".join(text), held)
            for name, held, text in self.elements
            if name == tag and attributes.items() <= held.items()
        ]

    @property
    def browser(self):
        return json.loads(self.find("script", id="responses-data")[0][0])

    @property
    def figures(self):
        return json.loads(self.find("script", id="figures-data")[0][0])["figures"]


def values(spec):
    """All rows that a figure is drawn of."""
    return [row for rows in spec["datasets"].values() for row in rows]


def rewrite_scores(workdir, change):
    """Puts other numbers into scores.csv, as an analysis would have written them."""
    with (workdir / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = [row | change(row) for row in csv.DictReader(file)]
    made_up_study.write_table(workdir / "scores.csv", rows)
    seal(workdir, TABLES)
    return read_records(workdir)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = made_up_study.write_workdir(tmp_path_factory.mktemp("study"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "SUFFIXES", (".svg",))
        write_report(path)
    return path


@pytest.fixture(scope="module")
def page(workdir):
    return Page((workdir / "report" / "index.html").read_text("utf-8"))


def test_every_experiment_has_a_section_and_figures_for_those_without_script_or_eyes(workdir, page):
    sections = [held["id"] for _, held in page.find("section")]
    assert set(EXPERIMENTS) | {"gain", "outcomes", "training", "composition"} < set(sections)
    drawn = [held["data-figure"] for _, held in page.find("div") if "data-figure" in held]
    assert drawn == list(page.figures) and set(EXPERIMENTS) < set(drawn)
    told = [held["aria-label"] for _, held in page.find("svg", role="img")]
    assert len(told) == len(drawn) and all(told)
    for name in drawn:
        assert (workdir / "report" / "figures" / f"{name}.svg").read_bytes().startswith(b"<svg")
        # Which raises for what is no Vega-Lite.
        assert alt.Chart.from_dict(page.figures[name]).to_dict(validate=False)["width"] > 0
    assert "Not run" not in page.text


def test_the_page_fetches_nothing_and_lets_only_its_own_script_run(page):
    for tag, held, _ in page.elements:
        assert "src" not in held and "srcset" not in held and "action" not in held, (tag, held)
        assert tag not in ("iframe", "object", "embed", "img"), held
        if tag == "link":
            assert held["href"].startswith("data:")
        if "href" in held and tag != "link":
            beside = r"#|data/[a-z_]+\.csv$|figures/[\w-]+\.(svg|png|pdf)$"
            assert re.match(beside, held["href"]), held
    style = page.find("style")[0][0]
    assert "@import" not in style and "url(" not in style
    (script,) = [text for text, held in page.find("script") if "type" not in held]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(page.find("meta", **{"http-equiv": "Content-Security-Policy"})[0][1])["content"]
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # Vega compiles expressions by eval, unless its interpreter is asked for.
    assert re.search(r"ast:\s*(true|!0)", script)
    assert not any(name.startswith("on") for _, held, _ in page.elements for name in held)


def test_no_two_elements_share_an_id_and_every_reference_inside_a_drawing_has_one(page):
    ids = [held["id"] for _, held, _ in page.elements if "id" in held]
    assert len(ids) == len(set(ids))
    html = page.text.split("<script")[0]
    used = re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', html)
    assert {one or two for one, two in used} <= set(ids)


def test_every_csv_file_that_the_page_names_is_beside_it(workdir, page):
    named = {held["href"] for _, held in page.find("a") if held["href"].startswith("data/")}
    beside = {path.name: path.read_bytes() for path in (workdir / "report" / "data").iterdir()}
    assert named == {f"data/{name}" for name in beside}
    assert beside["scores.csv"] == (workdir / "scores.csv").read_bytes()
    rows = list(csv.DictReader(beside["pinch.csv"].decode("utf-8").splitlines()))
    assert len({row["spec"] for row in rows}) == 13


def test_the_numbers_in_tables_and_figures_are_those_of_the_scores(workdir, page):
    with (workdir / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["experiment"] == "monolingual"]
    cells = {text for text, _ in page.find("td")}
    drawn = values(page.figures["monolingual"])
    judged = [row for row in rows if row["language"] in LANGUAGES and row["language"] != row["x"]]
    assert len(judged) == 12 * 11
    for row in judged:
        score, low, high = (f"{float(row[name]):.1f}" for name in ("score", "low", "high"))
        star = " *" if float(row["p_holm"]) < 0.05 else ""
        assert f"{score} [{low}, {high}]{star}" in cells
        place = {"name": LANGUAGES[row["x"]].name, "column": row["language"]}
        (cell,) = (cell for cell in drawn if place.items() <= cell.items())
        assert cell["told"] == f"{score} [{low}, {high}]" and cell["value"] == float(row["score"])


def test_what_became_of_the_responses_is_told_by_model_language_and_task(workdir, page):
    with (workdir / "outcomes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells, names = {text for text, _ in page.find("td")}, read_records(workdir).names
    drawn = [
        row
        for name, spec in page.figures.items()
        if re.fullmatch(r"outcomes(-\d)?", name)
        for row in values(spec)
    ]
    for row in rows:
        right = [float(row[f"right{end}"]) for end in ("", "_low", "_high")]
        if row["task"] == "all" or row["language"] == "mean":
            assert "{:.0f} [{:.0f}, {:.0f}]".format(*right) in cells, row
        if (row["task"], row["language"]) == ("all", "mean"):
            part = {"name": names[row["run"]], "kind": "wrong language, wrong answer"}
            (segment,) = (held for held in drawn if part.items() <= held.items())
            assert segment["value"] == float(row["wrong_language"])


def test_the_first_screen_has_three_numbers_of_four_models_and_says_what_intervals_leave_out(
    workdir, page
):
    header = page.text.split("<header>")[1].split("</header>")[0]
    shown = re.findall(r'scope="row">(.*?)</th>(.*?)</tr>', header)
    named = ["No tuning", "English only", "11 of 1,200 examples in other languages"]
    assert [name for name, _ in shown] == [*named, "Even split over 12 languages"]
    rows = [row for row in read_records(workdir).outcomes if row.language == "mean"]
    means = {row.spec: row for row in rows if row.task == "all"}
    specs = ("pretrained", "monolingual:en", "pinch:1", "pinch:100")
    for spec, (_, cells) in zip(specs, shown, strict=True):
        right, elsewhere = means[spec].right.value, means[spec].other_language.value
        numbers = re.findall(r"<strong>(\d+)</strong>", cells)
        told = right, elsewhere, 100 - right - elsewhere
        assert numbers == [f"{number:.0f}" for number in told]
    assert "The examples were drawn once." in header and "In the paper: " in header


def test_a_mean_without_a_language_that_cannot_be_identified_says_so(workdir):
    records = read_records(workdir)
    assert left_out(records) == ""
    outcomes = [
        dataclasses.replace(row, other_language=NOTHING) if row.language == "sw" else row
        for row in records.outcomes
    ]
    records = dataclasses.replace(records, outcomes=tuple(outcomes))
    assert "languages are without sw:" in left_out(records)
    assert left_out(records) in outcome_section(records).words.caption


@pytest.mark.parametrize(
    ("right", "wrong", "start"),
    [
        ((1, 9), (-9, 2), "A pinch helps:"),
        ((-9, -1), (-2, 9), "A pinch does harm:"),
        ((-9, -1), (-9, -2), "A pinch helps and does harm:"),
        ((-1, 1), (-1, 1), "Whether a pinch helps cannot be told:"),
    ],
)
def test_what_a_pinch_does_to_right_answers_and_to_wrong_languages_is_both_told(
    workdir, right, wrong, start
):
    records = read_records(workdir)
    (pinch,) = (run for run, spec in records.runs.items() if spec == "pinch:1")
    ends = {"right": Estimate(0.0, *right), "other_language": Estimate(0.0, *wrong)}
    above = dataclasses.replace(mean_shares(records)[pinch], **ends)
    told = dataclasses.replace(records, above_base={pinch: above})
    shares = mean_shares(told)
    assert _answer(told, leading_models(told), shares).startswith(start)
    (even,) = (run for run, spec in records.runs.items() if spec == "pinch:100")
    much = {even: dataclasses.replace(shares[even], right=Estimate(90.0, 85.0, 95.0))}
    said = _answer(told, leading_models(told), shares | much)
    # Where a pinch is not seen to help, more of it does not help more.
    assert ("More helps more" in said) == (start == "A pinch helps:") and "90 % are right" in said
    untold = {r: dataclasses.replace(of, other_language=NOTHING) for r, of in shares.items()}
    said = _answer(told, leading_models(told), untold)
    assert "nan" not in said and "a wrong language" not in said and "of the answers are" in said


def test_verdicts_are_counted_apart_from_what_was_not_run(page):
    assert "findings, 1 holds here, 1 does not, 1 cannot be told, 1 was not run." in page.text


@pytest.mark.parametrize(
    ("ends", "axis"),
    [((0.0, 0.0, 99.7), [0, 100]), ((-0.1, -0.43, 0.2), [-0.5, 1]), ((0.0, 0.0, 0.4), [0, 1])],
)
def test_intervals_of_bars_are_within_the_axis(ends, axis):
    row = {"name": "a", "kind": "b", "told": ""} | dict(
        zip(("score", "low", "high"), ends, strict=True)
    )
    spec = charts.bar_chart([row], "", None)
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == axis


def test_a_bar_without_a_number_and_bars_near_0_leave_an_axis_of_percent():
    named = {"kind": "b", "told": ""}
    untold = named | {"name": "a"} | dict.fromkeys(("score", "low", "high"), math.nan)
    low = named | {"name": "c", "score": 0.2, "low": 0.0, "high": 0.6}
    some = named | {"name": "d", "score": 40.0, "low": 30.0, "high": 50.0}
    for rows, reference in (([untold, some], None), ([untold, some], 50), ([low], 50)):
        spec = charts.bar_chart(rows, "", reference)
        assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 100]


def test_scores_that_cannot_be_told_are_last_in_a_figure_and_differ_from_nothing(workdir):
    records = read_records(workdir)
    some = {row.run for row in records.experiment("gain", "mean")[1::3]}
    untold = [
        dataclasses.replace(row, score=NOTHING, p_holm=math.nan) if row.run in some else row
        for row in records.scores
    ]
    told = dataclasses.replace(records, scores=untold)
    (drawing,) = figures.heat_maps(told, "gain", "Gain", figure_of(told, "gain"))
    order = drawing.spec["layer"][0]["encoding"]["y"]["sort"]
    means = {r["name"]: r["value"] for r in values(drawing.spec) if r.get("column") == "mean"}
    known, unknown = order[: -len(some)], order[-len(some) :]
    assert set(unknown) == {records.names[run] for run in some}
    assert known == sorted(known, key=lambda name: -means[name])
    assert not [r for r in values(drawing.spec) if r["name"] in unknown and r.get("mark")]
    spec = figures.bars(told, "pretrained", figure_of(told, "pretrained"))
    rows = [row["score"] for row in values(spec) if row.get("kind") == "tuned on this language"]
    held = [score for score in rows if not math.isnan(score)]
    assert rows[: len(held)] == sorted(held, reverse=True)


def test_nothing_is_best_where_no_mean_is_known_or_all_are_alike(workdir):
    records = read_records(workdir)
    untold = [dataclasses.replace(r, score=NOTHING) if r.is_mean else r for r in records.scores]
    told = dataclasses.replace(records, scores=untold)
    for name in ("monolingual", "gain"):
        assert "est" in section(records, name).result
        said = section(told, name)
        assert "highest" not in said.result and "no number" not in said.result
        assert not said.beside, "the paper's best beside whoever comes first"
    even = Estimate(50.0, 44.0, 56.0)
    alike = [dataclasses.replace(r, score=even) if r.is_mean else r for r in records.scores]
    told = dataclasses.replace(records, scores=alike)
    for name, said in (("monolingual", "All models score 50.0"), ("gain", "All 15 sets score 50")):
        assert section(told, name).result.startswith(said)
    assert section(told, "monolingual").beside[0].here == "all alike"
    assert section(records, "monolingual").beside[0].what == "best tuning languages, here of 12"
    first, second = list(records.runs)[:2]
    ends = Estimate(0.0, 0.0, 1.2)
    said = tables.most_and_least(records, "are right", {first: ends, second: ends})
    assert "most" not in said and "0 [0, 1] % are right whatever" in said
    said = tables.most_and_least(records, "are right", {first: ends})
    assert "least" not in said and f"after tuning on “{records.names[first]}”." in said


def test_forty_examples_and_one_percent_are_two_points_also_of_four_thousand(workdir):
    records = read_records(workdir)
    x = {row.spec: row.x for row in records.experiment("pinch")}
    one = {x["pinch:n40"]: x["pinch:1"]}
    moved = [dataclasses.replace(row, x=one.get(row.x, row.x)) for row in records.scores]
    told = dataclasses.replace(records, scores=moved)
    spec = figures.curve(told, "pinch", figure_of(told, "pinch"))
    line = {row["x"]: row["score"] for row in values(spec) if row.get("line") == "English"}
    scores = {row.spec: row.score.value for row in told.experiment("pinch", "en")}
    assert (line["1"], line["40 ex."]) == (scores["pinch:1"], scores["pinch:n40"])


def test_what_is_judged_at_one_dose_alone_goes_nowhere(workdir):
    records = read_records(workdir)
    assert "English goes from" in section(records, "pinch").result
    alone = [row for row in records.scores if row.experiment != "pinch" or not float(row.x)]
    said = section(dataclasses.replace(records, scores=alone), "pinch").result
    assert said == "The other languages were judged at one P alone."


def test_a_heat_map_of_chrf_is_of_its_own_percent(workdir):
    records = read_records(workdir)
    (drawing, *_) = figures.heat_maps(records, "own", "chrF", HeatMap({}, of="chrf"))
    held = {(records.names[row.run], row.language): row.chrf for row in records.responses}
    (cell, *_) = (row for row in values(drawing.spec) if row.get("column") == "fi")
    assert cell["value"] == held[cell["name"], "fi"]


def test_a_model_that_answers_in_few_languages_is_ranked_by_those_that_all_answer_in(workdir):
    records = read_records(workdir)
    runs = list(records.runs)[:3]
    rates = {run: (90.0, low) for run, low in zip(runs, (10.0, 30.0, 20.0), strict=True)}
    row = records.responses[0]
    rows = [
        dataclasses.replace(row, run=run, language=code, right_language=rate / 100)
        for run, held in rates.items()
        for code, rate in zip(("fi", "sw"), held, strict=True)
        if (run, code) != (runs[0], "fi")
    ]
    held = dataclasses.replace(records, responses=rows)
    (drawing,) = figures.heat_maps(held, "own", "Own", HeatMap({}, of="right_language"))
    order = drawing.spec["layer"][0]["encoding"]["y"]["sort"]
    assert order == [records.names[run] for run in (runs[1], runs[2], runs[0])]
    rows[0] = dataclasses.replace(rows[0], right_language=0.4)
    held = dataclasses.replace(records, responses=rows)
    (drawing,) = figures.heat_maps(held, "own", "Own", HeatMap({}, of="right_language"))
    assert drawing.spec["layer"][0]["encoding"]["y"]["sort"][0] == records.names[runs[0]]


def test_arms_of_one_model_are_rows_of_their_own_in_a_table_in_colour(workdir):
    records = read_records(workdir)
    rows = [row for row in records.experiment("gain")[:9] if not row.is_mean]
    ours = [dataclasses.replace(row, series="ours") for row in rows]
    # One that is its own baseline has no value.
    ours[0] = dataclasses.replace(ours[0], baseline_run=ours[0].run)
    other = Estimate(77.0, 70.0, 80.0)
    theirs = [dataclasses.replace(row, series="theirs", score=other) for row in rows]
    held = dataclasses.replace(records, scores=(*ours, *theirs))
    figure = HeatMap({})
    (drawing,) = figures.heat_maps(held, "gain", "Gain", figure)
    shown = {(r["name"], r["column"]): r["value"] for r in values(drawing.spec) if "column" in r}
    for row in (*ours[1:], *theirs):
        assert shown[f"{records.names[row.run]}, {row.series}", row.language] == row.score.value
    assert len({name for name, _ in shown}) == len(figures.cell_table(held, "gain", figure).rows)


def test_numbers_are_rounded_for_people_and_no_p_is_0(workdir):
    records = read_records(workdir)
    pinch, pairs = (section(records, name).tables[0] for name in ("pinch", "pairs"))
    assert "3.33" in {row[pinch.columns.index("x")] for row in pinch.rows}, "40 of 1,200"
    small = tables.csv_table(records, tables.csv_file("a.csv", ("x", "run"), [(0.04, ""), (0, "")]))
    assert small.rows == (("0.04",), ("0",))
    assert "zh+sw" in {row[pairs.columns.index("x")] for row in pairs.rows}
    assert "1 % over all languages" in {row[pinch.columns.index("tuned on")] for row in pinch.rows}
    assert tables.p_value(1e-9) == "<0.001" and tables.p_value(0.001) == "0.001"


def test_no_specification_of_a_mixture_is_shown_where_there_are_words(page):
    shown = page.text.split('<section id="responses">')[0]
    assert not re.search(r"(pinch|uniform|monolingual):\w", shown)


def test_the_band_of_the_orders_mean_is_the_one_of_the_analysis(workdir, page):
    means = [r for r in read_records(workdir).experiment("breadth") if r.series == ALL_ORDERS]
    thick = [row for row in values(page.figures["breadth"]) if row.get("kind") == "thick"]
    assert [row["told"] for row in thick] == [show(row.score) for row in means]
    dots = [row for row in values(page.figures["breadth"]) if row.get("kind") == "dot"]
    assert len(means) == 6 and len(dots) == 6 * 3


def test_pearson_s_r_is_the_one_of_the_analysis(page):
    assert "r is 0.22 [−0.31, 0.64] over 12 languages" in page.text


def test_the_paper_s_number_of_a_claim_stands_beside_this_study_s(workdir):
    records = read_records(workdir)
    numbers = {"value": 5.0, "low": 4.0, "high": 7.0, "verdict": "cannot tell"}
    finding = dataclasses.replace(records.findings[0], claim=REPLACEMENT.claim, **numbers)
    held = section(dataclasses.replace(records, findings=(finding,)), "pinch").beside
    assert [(entry.paper, entry.here) for entry in held] == [("8 of 12", "5 [4, 7]")]


def test_one_scale_holds_for_a_table_and_the_diagonal_has_no_colour(page):
    spec = page.figures["monolingual"]
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0, 50, 100]
    cells = {(row["name"], row["column"]): row["value"] for row in values(spec)}
    assert [cells[LANGUAGES[code].name, code] for code in STUDY_LANGUAGES] == [None] * 12


def test_the_best_model_stands_first_and_languages_stand_by_family(page):
    spec = page.figures["monolingual"]
    means = {row["name"]: row["value"] for row in values(spec) if row["column"] == "others"}
    order = spec["layer"][0]["encoding"]["y"]["sort"]
    assert order == sorted(order, key=lambda name: -means[name])
    families = [LANGUAGES[code].family for code in spec["layer"][0]["encoding"]["x"]["sort"][:12]]
    assert len(set(families)) == sum(
        a != b for a, b in zip(families, [None, *families], strict=False)
    )


@pytest.mark.parametrize(
    ("differ", "sign", "said"),
    [
        ([True, False, False], ["•", "", ""], "• marks a score that differs from 50"),
        ([True, True, False], ["", "", "°"], "° marks a score that cannot be told from 50"),
        ([True, True], [], "Every score differs from 50"),
        ([False], [], "No score differs from 50"),
        ([], [], ""),
    ],
)
def test_marks_are_on_the_fewer_cells_and_nowhere_if_all_are_alike(differ, sign, said):
    marked, note = figures.marks([{"differs": one} for one in differ])
    assert [cell["mark"] for cell in marked if "mark" in cell] == sign and note.startswith(said)


def test_names_at_the_ends_of_lines_stand_apart_near_their_places_and_above_0():
    held = [3.0, 2.5, 40.0, 41.0, 0.0, 90.0]
    moved = labels.apart(held, 4, 100)
    order = sorted(range(len(held)), key=lambda place: held[place])
    steps = [moved[b] - moved[a] for a, b in itertools.pairwise(order)]
    assert min(steps) >= 4 - 1e-9 and min(moved) >= 0 and moved[5] == 90
    assert moved[2] + moved[3] == pytest.approx(81)
    assert max(labels.apart([60.0, 60.0, 59.0], 5, 60)) == 60


@pytest.mark.parametrize("count", [3, charts.MOST_NAMES, charts.MOST_NAMES + 1])
def test_names_of_many_lines_are_in_the_plot_or_nowhere(count):
    rows = [{"kind": "thin", "line": str(n), "ink": "#111111", "score": 40.0} for n in range(count)]
    rows = [
        row | {"at": at, "low": 30.0, "high": 60.0, "told": ""} for row in rows for at in (0, 1)
    ]
    spec = charts.curve_chart(rows, "dose", ["0", "1"], "")
    named = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    assert len(named) == (count <= charts.MOST_NAMES)
    for layer in named:
        held = spec["datasets"][layer["data"]["name"]]
        places = sorted(row["score"] for row in held)
        assert len(places) == count and places[0] >= 0 and places[-1] <= 60
        steps = [b - a for a, b in itertools.pairwise(places)]
        assert min(steps) * spec["height"] / 60 > 13


def test_a_table_of_many_columns_has_room_for_them_on_paper():
    columns = [f"l{n}" for n in range(120)]
    rows = [
        {"name": "a", "column": code, "value": 50, "text": "50", "told": ""} for code in columns
    ]
    spec = charts.cell_chart(rows, ["a"], columns, True)
    assert spec["width"] / len(columns) > 20
    assert charts.cell_chart(rows[:12], ["a"], columns[:12], True)["width"] == drawing.WIDTH


def test_many_models_are_several_figures_by_the_experiment_that_trains_them(workdir):
    records = read_records(workdir)
    runs = list(records.runs)
    parted = groups.groups_of(records, runs)
    assert len(runs) > groups.MOST_ROWS and "" not in parted
    assert sorted(run for some in parted.values() for run in some) == sorted(runs)
    assert max(map(len, parted.values())) <= groups.MOST_ROWS
    assert "monolingual-sr-0123456789ab" in parted["Within one family: Slavic languages"]
    few = runs[: groups.MOST_ROWS]
    assert groups.groups_of(records, few) == {"": few}


def test_no_name_of_ones_own_is_that_of_a_figure_a_file_or_a_section_of_the_page(workdir, page):
    held = {held["id"] for _, held in page.find("section")} | {*page.figures}
    held |= {path.stem for path in (workdir / "report/data").iterdir()}
    of_page = {name for name in held if name.partition("-")[0] not in BUILT_IN}
    of_page |= {name.removesuffix(".csv") for name in TABLES if name.endswith(".csv")}
    assert {"first", "training", "draws", "findings"} < of_page
    assert {name.partition("-")[0] for name in of_page} <= {*OF_PAGE}
    # Of many models there are several figures, none of which is that of a sweep sweep_2.
    assert "composition-2" in page.figures
    for name in ("draws", "first"):
        with pytest.raises(UserError, match=f"name={name!r}; write a name of its own"):
            Sweep(name, ("pinch:1", "pinch:2"))


def test_what_a_model_wrote_is_text_and_never_markup(page):
    assert len(page.find("script")) == 3
    assert "<b>forty" not in page.text and "&lt;b&gt;forty" in page.text
    assert made_up_study.HOSTILE not in page.text
    assert all(made_up_study.HOSTILE in texts for texts in page.browser["texts"].values())


def test_a_text_runs_in_the_direction_of_its_own_letters(page):
    assert direction("العملة هي: KES 12") == "rtl" and direction("12 %") == "ltr"
    assert direction("The word العملة means currency") == "ltr"
    for text, held in page.find("td"):
        if "dir" in held and "lang" not in held:  # an answer
            assert held["dir"] == direction(text)
    asked = {(held["lang"], held["dir"]) for _, held in page.find("td") if "lang" in held}
    assert asked == {(code, LANGUAGES[code].direction) for code in STUDY_LANGUAGES}


def test_the_browser_shows_each_response_beside_its_baseline_with_the_verdict(workdir, page):
    data = page.browser
    run, name = "pinch-10-0123456789ab", "10 % over all languages"
    place = next(
        row
        for row in data["comparisons"]
        if (data["runs"][row[0]], data["runs"][row[1]], row[2]) == (name, "Swahili", "sw")
    )
    path = workdir / "runs" / run / "responses" / "sw.jsonl"
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    indexes = data["responses"]["sw"][str(place[0])]
    assert [data["texts"]["sw"][index] for index in indexes] == [r["response"] for r in written]
    verdicts = verdict_path(
        workdir, made_up_study.REFERENCE, run, "monolingual-sw-0123456789ab", "sw"
    )
    chosen = {}
    for line in verdicts.read_text("utf-8").splitlines():
        verdict = json.loads(line)
        chosen.setdefault(verdict["id"], set()).add(verdict["winner"])
    letters = {("candidate",): "w", ("baseline",): "l", ("baseline", "candidate"): "t"}
    assert place[3] == "".join(letters[tuple(sorted(chosen[r["id"]]))] for r in written)


def test_answers_that_the_study_does_not_compare_are_not_on_the_page(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("pretrained",))
    records = read_records(tmp_path)
    text = browser.browser_json(records, 10**9)
    files = tmp_path.glob("runs/*/responses/*.jsonl")
    kept = answers_of(records.study)
    # Of an earlier call, perhaps to other prompts.
    others = [path for path in files if (path.parents[1].name, path.stem) not in kept]
    for path in others:
        path.unlink()
    assert others and browser.browser_json(records, 10**9) == text


def test_a_study_too_large_for_one_page_shows_fewer_prompts_spread_over_all(workdir):
    records = read_records(workdir)
    whole, shown, available = browser.browser_json(records, 10**9)
    assert shown == available == 6
    limit = len(whole.encode("utf-8")) * 2 // 3
    text, shown, available = browser.browser_json(records, limit)
    assert len(text.encode("utf-8")) <= limit and 0 < shown < available == 6
    assert browser.evenly(["a", "b", "c", "d", "e"], 2) == ["a", "c"]


@pytest.mark.parametrize("models", [("en", "ru", "sw", "zh"), ("en", "zh")])
def test_where_few_languages_have_their_own_model_the_page_says_so(tmp_path, models):
    few = ("monolingual", "pinch", "unseen", "gain")
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=few, models=models)
    page = Page(write_report(tmp_path).read_text("utf-8"))
    others = ", ".join(code for code in STUDY_LANGUAGES if code in models and code != "en")
    assert f"The other languages ({others}) score " in page.text
    assert "The languages never tuned on (zh) score " in page.text
    drawn = values(page.figures["gain"])
    cells = [row["column"] for row in drawn if row["name"] == "10 % over all languages"]
    assert set(STUDY_LANGUAGES) < set(cells) and len(cells) == len(set(cells))
    assert ("mean of the seen" in page.text) == ("ru" in models)


@pytest.mark.parametrize("only", ["pairs", "pretrained"])
def test_a_study_without_some_experiments_still_has_a_page_that_says_so(tmp_path, only):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=(only,))
    page = Page(write_report(tmp_path).read_text("utf-8"))
    sections = {held["id"] for _, held in page.find("section")}
    assert only in sections and not {"monolingual", "pinch", "breadth"} & sections
    missing = page.text.partition("Not run in this study:")[2].partition("</p>")[0]
    assert {"One tuning language", "A pinch of multilinguality"} < set(
        re.split("[;.] ?", missing.split("</strong> ")[-1])
    )
    assert (only == "pairs") == ("Two languages against each of them" not in missing)


def test_what_another_page_had_is_not_beside_this_one_and_what_is_not_ours_stays(tmp_path):
    beside = []
    for experiments in (("mixed", "doses"), ("mixed",)):
        made_up_study.write_workdir(tmp_path, prompts=2, experiments=experiments)
        report = write_report(tmp_path).parent
        write_markdown(tmp_path, report / "page.md")
        beside.append({str(path.relative_to(report)) for path in report.rglob("*.*")})
        (report / "data" / "mine.csv").write_text("")
    # What only a curve has.
    gone = {
        f"{folder}/{name}.svg"
        for folder in ("figures", "page")
        for name in ("doses", "exact_match", "first")
    }
    assert beside[0] - beside[1] == gone | {"data/doses.csv", "data/exact_match.csv"}
    assert beside[1] - beside[0] == {"data/mine.csv"}
    # A page that does not fit leaves the one before, not the first part of its own.
    page = report / "index.html"
    text = page.read_text("utf-8")
    with files_of_at_most(page.stat().st_size - 1), pytest.raises(OSError, match=r"index\.html"):
        write_report(tmp_path)
    assert page.read_text("utf-8") == text


def test_a_work_directory_that_is_not_analysed_is_an_error_that_names_the_file(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("pairs",))
    (tmp_path / "scores.csv").unlink()
    with pytest.raises(UserError, match=r"no scores\.csv; run `pinch study"):
        write_report(tmp_path)


def test_sweeps_alone_are_a_curve_or_a_table_and_no_findings(tmp_path, monkeypatch):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("doses", "mixed"))
    monkeypatch.setattr(drawing, "SUFFIXES", SUFFIXES)
    page = Page(write_report(tmp_path).read_text("utf-8"))
    starts = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    files = {f"{name}{suffix}": start for name in page.figures for suffix, start in starts.items()}
    assert {path.name for path in (tmp_path / "report/figures").iterdir()} == {*files}
    for name, start in files.items():
        assert (tmp_path / "report/figures" / name).read_bytes().startswith(start)
    sections = [held["id"] for _, held in page.find("section")]
    assert "doses" in sections and "mixed" in sections and "findings" not in sections
    header = page.text.split("<header>")[1].split("</header>")[0]
    assert "Not run" not in page.text and "finding" not in header
    records = read_records(tmp_path)
    assert isinstance(figure_of(records, "doses"), Curve)
    assert isinstance(figure_of(records, "mixed"), HeatMap)
    rows = records.experiment("doses", "mean")
    thick = [row for row in values(page.figures["doses"]) if row.get("kind") == "thick"]
    assert [(row["x"], row["score"]) for row in thick] == [
        (f"{float(row.x):g}", row.score.value) for row in rows
    ]
    shown = page.text.replace("\xa0", " ")
    for row in rows:
        assert f"“{records.names[row.run]}” scores {show(row.score)}" in shown
    few = [row for row in records.scores if row.language in ("fi", "sw", "mean")]
    said = section(dataclasses.replace(records, scores=few), "doses").result
    assert said.endswith("means of the languages (fi, sw).") and "languages." in shown
    # What 50 is as good as, by its name.
    assert f"A score is against {OWN_MODEL}." in shown
    assert "A score is against the model before tuning." in shown
    arms = [arm | {"baselines": {"fi": "pinch:1"}} for arm in records.study["arms"]]
    arms = [arm | {"baseline_runs": {"fi": made_up_study.run_name("pinch:1")}} for arm in arms]
    other = dataclasses.replace(records, study=records.study | {"arms": arms})
    held = section(other, "doses")
    assert held.words.lead.endswith("against the model tuned on “1 % over all languages”.")
    arms[0] = arms[0] | {"baselines": {"fi": "pretrained"}}
    other = dataclasses.replace(records, study=records.study | {"arms": arms})
    assert figure_of(other, "doses").baseline == "what the model is held against, which differs"


def test_a_page_says_of_what_its_sets_have_as_many_and_in_how_many_steps(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("doses",), draws=2)
    records = read_records(tmp_path)
    assert "three are the least" in first_screen(records, [])["caveat"]
    held = composition(records)
    assert "same number of examples. They" in held.words.lead and " steps" not in held.result
    first, *rest = records.tuned_runs
    runs = records.study["runs"] | {first: records.study["runs"][first] | {"steps": 7_000}}
    told = {"runs": runs, "foreign_references": {"fi": 33.3}}
    config = records.config | {"mixture": {"supervised_tokens": 9}}
    other = dataclasses.replace(records, study=records.study | told, config=config)
    assert "a P is the percent of these" in first_screen(other, [])["caveat"]
    assert "a P is the percent" not in first_screen(records, [])["caveat"]
    held = composition(other)
    assert "number of supervised tokens. They have not the same number of ex" in held.words.lead
    steps = records.study["runs"][rest[0]]["steps"]
    assert f"They take {steps} to 7,000 steps" in held.result
    assert "count as in a wrong language (fi 33 %)" in first_screen(other, [])["caveat"]


def test_an_experiment_of_one_s_own_brings_its_figure_its_result_and_its_words(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("doses",))
    own = tmp_path / "doses.py"
    own.write_text(
        "from pinch_jax.study.experiments.interface import Beside, Experiment, Words\n"
        "from pinch_jax.study.experiments.figure import Bars\n"
        "EXPERIMENT = Experiment(\n"
        "    words=Words('Doses', 'Doses of mine', 'How much?', 'A bar.', found='Little.'),\n"
        "    figure=Bars('my score (%)', 'mean'),\n"
        "    result=lambda records, name: f'{len(records.experiment(name))} scores.',\n"
        "    beside=lambda records, name: [Beside('what', '7 of 8', '3 of 4')],\n"
        ")\n"
    )
    study = read_study(tmp_path) | {"sweeps": [], "experiments": [str(own)]}
    write_record(tmp_path / "study.json", {k: v for k, v in study.items() if k != "checksum"})
    (held,) = [held for held in make_sections(read_records(tmp_path)) if held.id == "doses"]
    records, edited = read_records(tmp_path), "doses.py has changed since `pinch study`"
    assert edited not in _code(records.study)
    assert edited in _code(records.study | {"own_files": {"doses": "of before"}})
    assert held.words.title == "Doses of mine" and held.beside[0].paper == "7 of 8"
    assert held.result == f"{len(read_records(tmp_path).experiment('doses'))} scores."
    assert isinstance(figure_of(read_records(tmp_path), "doses"), Bars)
    assert held.drawings[0].spec["layer"][0]["encoding"]["x"]["title"] == "my score (%)"
    # Where no models are in all languages, its claim is the answer, or its result.
    records = dataclasses.replace(read_records(tmp_path), outcomes=())
    sections = make_sections(read_records(tmp_path))
    assert sections[0].id != "doses"
    assert first_screen(records, sections)["answer"] == held.result
    told = {"number": 1, "claim": "More is more.", "unit": "%", "rule": "", "value": 4.0}
    told |= {"low": 3.0, "high": 5.0, "verdict": HOLDS, "detail": "", "experiment": "doses"}
    records = dataclasses.replace(records, findings=(Finding(**told),))
    answer = first_screen(records, sections)["answer"]
    assert answer == "More is more. It holds here: 4 [3, 5] %."


@pytest.mark.parametrize(("many", "sign"), [(True, "°"), (False, "•")])
def test_the_mark_of_a_heat_map_is_told_in_its_caption(tmp_path, many, sign):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("mixed",))

    def change(row):
        return {"p_holm": 0.01 if (row["language"] != "sw") == many else 0.9}

    (drawn,) = section(rewrite_scores(tmp_path, change), "mixed").drawings
    marked = {row["column"] for row in values(drawn.spec) if row.get("mark") == sign}
    assert marked == {"sw"} and drawn.note.startswith(f"{sign} marks")


def test_a_model_of_one_language_answers_in_it_whatever_its_set_is_called(workdir):
    records = read_records(workdir)
    responses = [
        dataclasses.replace(row, spec=row.spec.replace("monolingual:en", "pinch:0"))
        for row in records.responses
    ]
    found = own_language_rows(dataclasses.replace(records, responses=responses))
    assert [row.language for row in found] == list(STUDY_LANGUAGES)
    assert {row.spec for row in found if row.language == "en"} == {"pinch:0"}


def test_draws_are_points_of_the_curve_and_have_a_section_of_their_own(tmp_path, page):
    three = made_up_study.write_workdir(tmp_path, experiments=("pinch", "gain"), draws=3)
    write_report(three)
    drawn = Page((three / "report" / "index.html").read_text("utf-8"))
    assert "of the first draw of each tuning set" in drawn.text
    assert "drawn 3 times" in drawn.text and "The examples were drawn once." not in drawn.text
    dots = [row for row in values(drawn.figures["pinch"]) if row.get("kind") == "dot"]
    means = [
        row for row in values(drawn.figures["pinch"]) if row.get("line", "").startswith("mean")
    ]
    for at in {row["at"] for row in means}:
        own = [r["score"] for r in dots if r["at"] == at and r["of"].startswith("mean")]
        (mean,) = {row["score"] for row in means if row["at"] == at}
        assert len(own) == 3 and sum(own) / 3 == pytest.approx(mean, abs=1e-3)
    (text,) = (
        text for text, held in drawn.find("p", **{"class": "result"}) if "The draw gives" in text
    )
    assert (
        "60\u00a0% of the variance (intervals from " in text
        and "With 10 draws and 210 prompts" in text
    )
    # One row a tuning set, not one a draw.
    records = read_records(three)
    assert 3 * len(records.runs) == len(records.study["runs"])
    named = {row["name"] for row in values(drawn.figures["outcomes"]) if "name" in row}
    assert named <= set(records.names.values())
    assert not page.find("section", id="draws")
    assert not [row for row in values(page.figures["pinch"]) if row.get("kind") == "dot"]


def test_mixtures_that_share_no_language_have_no_table_of_differences(tmp_path):
    records = read_records(made_up_study.write_workdir(tmp_path, experiments=("doses",), draws=3))
    whole = draws_section(records).tables
    alone = dataclasses.replace(records, variance=[r for r in records.variance if not r.above])
    assert len(whole) == 2 and draws_section(alone).tables == whole[1:]
    several = [dataclasses.replace(r, series=s) for r in records.variance for s in ("one", "two")]
    rows = draws_section(dataclasses.replace(records, variance=several)).tables[0].rows
    assert len({row[0] for row in rows}) == len(rows) == 2 * len(whole[0].rows)


def test_what_cannot_be_told_ranks_nowhere_and_is_nothing_to_a_browser(tmp_path):
    records = read_records(made_up_study.write_workdir(tmp_path, experiments=("doses",)))
    first = records.ranked("doses", "mean")[0]
    untold = [dataclasses.replace(r, score=NOTHING) if r == first else r for r in records.scores]
    rest = dataclasses.replace(records, scores=tuple(untold)).ranked("doses", "mean")
    assert rest == records.ranked("doses", "mean")[1:] and len(rest) == 2
    drawn = [drawing.Drawing("a", "A", {"values": [{"score": math.nan, "told": "nan"}]})]
    read = json.loads(_figure_json(drawn), parse_constant=pytest.fail)
    assert read["figures"]["a"] == {"values": [{"score": None, "told": "nan"}]}


def test_what_a_drawing_says_keeps_its_digits_on_paper():
    row = {"kind": "thick", "line": "mean", "score": 50.0, "low": 40, "high": 60, "told": ""}
    rows = [row | {"at": at} for at in (0, 1)]
    spec = charts.curve_chart(rows, "dose", ["0.917", "0.0125"], "")
    svg = drawing.Drawing("a", "A", spec).svg
    assert ">0.917<" in svg and ">0.0125<" in svg
    assert not re.search(r"<[^>]*\.\d{3}", svg), "places are still cut to two digits"


def test_the_base_language_has_its_own_name_where_it_is_not_english(tmp_path):
    workdir = made_up_study.write_workdir(tmp_path, experiments=("pinch", "unseen"))
    write_record(workdir / "study.json", read_study(workdir) | {"base": "it"})
    records = read_records(workdir)
    for name in ("pinch", "unseen"):
        held = section(records, name)
        lines = {row["line"] for row in values(held.drawings[0].spec) if row.get("kind") == "thick"}
        assert "Italian" in lines and "English" not in lines
        assert "all examples are Italian" in held.result and "English" not in held.result
        some = tuple(row for row in records.scores if row.x != "0.0")
        said = section(dataclasses.replace(records, scores=some), name).result
        assert "all examples" not in said and "at P = 1," in said
    alone = tuple(row for row in records.scores if row.language == "it")
    said = section(dataclasses.replace(records, scores=alone), "pinch").result
    assert said.startswith("The other languages were judged at no P.")
    assert show(Estimate(-0.04, -0.06, 0.03)) == "0.0 [-0.1, 0.0]"
