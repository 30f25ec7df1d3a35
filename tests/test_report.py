"""The report, made from a work directory with every experiment in the formats of a study."""

import base64
import csv
import json
import re
from html.parser import HTMLParser

import made_up_study
import pytest
from bundled import LANGUAGES, STUDY_LANGUAGES

from pinch_jax.errors import UserError
from pinch_jax.files import seal
from pinch_jax.report import browser, heat_maps, readings, results, tables
from pinch_jax.report.page import write_report
from pinch_jax.report.sections import DRAWINGS
from pinch_jax.study.config import EXPERIMENTS
from pinch_jax.study.records import ALL_ORDERS, TABLES, read_records


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


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = made_up_study.write_workdir(tmp_path_factory.mktemp("study"))
    write_report(path)
    return path


@pytest.fixture(scope="module")
def page(workdir):
    return Page((workdir / "report" / "index.html").read_text("utf-8"))


def test_every_experiment_has_a_section_and_a_drawing_with_words_for_those_who_cannot_see_it(page):
    sections = [held["id"] for _, held in page.find("section")]
    assert set(EXPERIMENTS) < set(DRAWINGS) < set(sections)
    drawings = page.find("svg", role="img")
    assert len(drawings) == len(DRAWINGS)
    assert all(len(held["aria-label"]) > 40 for _, held in drawings)
    assert "Not run" not in page.text


def test_the_page_fetches_nothing_and_lets_only_its_own_script_run(page):
    for tag, held, _ in page.elements:
        assert "src" not in held and "srcset" not in held and "action" not in held, (tag, held)
        assert tag not in ("iframe", "object", "embed", "img"), held
        if tag == "link":
            assert held["href"].startswith("data:")
        if "href" in held and tag != "link":
            assert re.match(r"#|data/[a-z_]+\.csv$|data:text/csv;base64,", held["href"]), held
    style = page.find("style")[0][0]
    assert "@import" not in style and "url(" not in style
    policy = dict(page.find("meta", **{"http-equiv": "Content-Security-Policy"})[0][1])["content"]
    assert policy.startswith("default-src 'none';") and "script-src 'sha256-" in policy
    assert not any(name.startswith("on") for _, held, _ in page.elements for name in held)


def test_no_two_elements_share_an_id_and_every_reference_inside_a_drawing_has_one(page):
    ids = [held["id"] for _, held, _ in page.elements if "id" in held]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', page.text)
    assert {one or two for one, two in used} <= set(ids)


def test_every_csv_file_is_carried_in_the_page_byte_for_byte(workdir, page):
    carried = {
        held["download"]: base64.b64decode(held["href"].partition("base64,")[2])
        for _, held in page.find("a")
        if "download" in held
    }
    beside = {path.name: path.read_bytes() for path in (workdir / "report" / "data").iterdir()}
    assert carried == beside
    assert carried["scores.csv"] == (workdir / "scores.csv").read_bytes()
    rows = list(csv.DictReader(carried["pinch.csv"].decode("utf-8").splitlines()))
    assert len({row["spec"] for row in rows}) == 13


def test_the_numbers_in_tables_and_drawings_are_those_of_the_scores(workdir, page):
    with (workdir / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["experiment"] == "monolingual"]
    cells = {text for text, _ in page.find("td")}
    tips = {text for text, _ in page.find("title")}
    judged = [row for row in rows if row["language"] in LANGUAGES and row["language"] != row["x"]]
    assert len(judged) == 12 * 11
    for row in judged:
        score, low, high = (f"{float(row[name]):.1f}" for name in ("score", "low", "high"))
        star = " *" if float(row["p_holm"]) < 0.05 else ""
        assert f"{score} [{low}, {high}]{star}" in cells
        tuned, asked = (LANGUAGES[row[name]].name for name in ("x", "language"))
        start = f"tuned on {tuned}, asked in {asked}: {score} [{low}, {high}];"
        assert any(tip.startswith(start) for tip in tips)


def test_what_became_of_the_responses_is_told_by_model_language_and_task(workdir, page):
    with (workdir / "outcomes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {text for text, _ in page.find("td")}
    tips, names = {text for text, _ in page.find("title")}, read_records(workdir).names
    for row in rows:
        right = [float(row[f"right{end}"]) for end in ("", "_low", "_high")]
        if row["task"] == "all" or row["language"] == "mean":
            assert "{:.0f} [{:.0f}, {:.0f}]".format(*right) in cells, row
        if row["task"] == "all":
            assert "{:.1f} [{:.1f}, {:.1f}]".format(*right) in cells, row
            where = ", mean of all languages: "
            if row["language"] in LANGUAGES:
                where = f" in {LANGUAGES[row['language']].name}: "
            (tip,) = (tip for tip in tips if tip.startswith(f"{names[row['run']]}{where}"))
            wrong = float(row["wrong_language"])
            assert f"wrong language, wrong answer {wrong:.1f}, echo" in tip


def test_verdicts_are_counted_apart_from_what_was_not_run(page):
    assert "findings, 1 holds here, 1 does not, 1 cannot be told, 1 was not run." in page.text


def test_numbers_are_rounded_for_people_and_no_p_is_0(workdir):
    records = read_records(workdir)
    assert "3.3" in {row[1] for row in tables.score_table(records, "pinch").rows}, "40 of 1,200"
    assert "zh+sw" in {row[1] for row in tables.score_table(records, "pairs").rows}
    assert tables.p_value(1e-9) == "<0.001" and tables.p_value(0.001) == "0.001"


def test_the_band_of_the_orders_mean_is_the_one_of_the_analysis(workdir):
    records = read_records(workdir)
    means = [row for row in records.experiment("breadth") if row.series == ALL_ORDERS]
    assert len(means) == 6
    for row in means:
        assert f"{row.x}: {tables.interval(readings.point(row))}" in results.breadth(records)


def test_pearson_s_r_is_the_one_of_the_analysis_with_its_interval(page):
    assert page.text.count("Pearson r = 0.22 [−0.31, 0.64]") == 3  # text, drawing and its label


def test_the_diagonal_takes_no_part_in_the_colours_of_its_column(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("monolingual",))
    first = heat_maps.heat_map("monolingual", read_records(tmp_path), "a label")
    scores = (tmp_path / "scores.csv").read_text("utf-8")
    changed = re.sub(r"(monolingual:(..),,\2,\2,.*?),50\.0,", r"\1,99.0,", scores)
    assert changed.count(",99.0,") == 12
    (tmp_path / "scores.csv").write_text(changed, "utf-8")
    seal(tmp_path, TABLES)
    assert heat_maps.heat_map("monolingual", read_records(tmp_path), "a label") == first


def test_a_difference_of_a_point_is_not_painted_like_a_great_one(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("monolingual",))

    def strongest():
        drawing = heat_maps.heat_map("monolingual", read_records(tmp_path), "a label")
        return max(map(float, re.findall(r"fill-opacity: ([\d.]+)", drawing)))

    assert strongest() == 0.95
    path = tmp_path / "scores.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # All scores lie within one point.
    made_up_study.write_table(
        path, [row | {"score": 20 + float(row["score"]) / 100} for row in rows]
    )
    seal(tmp_path, TABLES)
    assert strongest() < 0.95 / 5


def test_what_a_model_wrote_is_text_and_never_markup(page):
    assert len(page.find("script")) == 2
    assert "<b>forty" not in page.text and "&lt;b&gt;forty" in page.text
    assert made_up_study.HOSTILE not in page.text
    assert all(made_up_study.HOSTILE in texts for texts in page.browser["texts"].values())


def test_text_of_right_to_left_languages_is_marked_so(page):
    rtl = {held["lang"] for _, held in page.find("td", dir="rtl")}
    ltr = {held["lang"] for _, held in page.find("td", dir="ltr")}
    assert rtl == {"ar", "he"} and ltr == set(STUDY_LANGUAGES) - rtl
    assert {code: held[1] for code, held in page.browser["languages"].items()} == {
        code: "rtl" if code in rtl else "ltr" for code in LANGUAGES
    }


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
    verdicts = workdir / "verdicts" / f"{run}--monolingual-sw-0123456789ab--sw.jsonl"
    chosen = {}
    for line in verdicts.read_text("utf-8").splitlines():
        verdict = json.loads(line)
        chosen.setdefault(verdict["id"], set()).add(verdict["winner"])
    letters = {("candidate",): "w", ("baseline",): "l", ("baseline", "candidate"): "t"}
    assert place[3] == "".join(letters[tuple(sorted(chosen[r["id"]]))] for r in written)


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
    few = ("monolingual", "pretrained", "pinch", "unseen", "gain", "same_language")
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=few, models=models)
    page = Page(write_report(tmp_path).read_text("utf-8"))
    others = ", ".join(code for code in STUDY_LANGUAGES if code in models and code != "en")
    assert f"Mean of the non-English languages ({others}): " in page.text
    assert f"score of the non-English languages ({others}) goes from" in page.text
    assert "Mean of the unseen languages (zh): " in page.text
    tips = [text for text, _ in page.find("title")]
    for code in STUDY_LANGUAGES:
        start = f"tuned on 10 % over all languages, asked in {LANGUAGES[code].name}: "
        assert sum(tip.startswith(start) for tip in tips) == 1
    assert ("mean of the seen" in page.text) == ("ru" in models)


@pytest.mark.parametrize("only", ["pairs", "pretrained"])
def test_a_study_without_some_experiments_still_has_a_page_that_says_so(tmp_path, only):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=(only,))
    page = Page(write_report(tmp_path).read_text("utf-8"))
    sections = {held["id"] for _, held in page.find("section")}
    assert only in sections and not {"monolingual", "pinch", "breadth"} & sections
    missing = page.text.partition("Not run in this study:")[2].partition("</p>")[0]
    assert {"monolingual", "pinch", "breadth", "slavic"} < set(re.findall(r"\w+", missing))
    assert only not in missing


def test_a_work_directory_that_is_not_analysed_is_an_error_that_names_the_file(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("pairs",))
    (tmp_path / "scores.csv").unlink()
    with pytest.raises(UserError, match=r"no scores\.csv; run `pinch study"):
        write_report(tmp_path)


def test_sweeps_alone_are_a_curve_or_a_table_and_no_findings(tmp_path):
    made_up_study.write_workdir(tmp_path, prompts=2, experiments=("doses", "mixed"))
    page = Page(write_report(tmp_path).read_text("utf-8"))
    sections = [held["id"] for _, held in page.find("section")]
    assert "doses" in sections and "mixed" in sections and "findings" not in sections
    header = page.text.split("<header>")[1].split("</header>")[0]
    assert "Not run" not in page.text and "finding" not in header
    records = read_records(tmp_path)
    curve = readings.sweep_curve(records, "doses", "mean")
    assert list(curve) == [1.0, 10.0, 100.0]
    assert readings.sweep_curve(records, "mixed", "mean") is None
    for x, mean in curve.items():
        name = "all languages alike" if x == 100 else f"{x:g} % over all languages"
        assert f"{name} {tables.interval(mean)}" in page.text
