"""Studies of other papers: each is planned, each claim decided on answers that are known."""

import json
import re

import numpy as np
import pytest
from made_up_study import write_workdir
from test_analysis import PROMPTS, findings, write_study

from ml_collections_configs.related import STUDIES, get_config
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.cldr.examples import heldout_examples, train_examples
from pinch_jax.corpus.language_id import identify
from pinch_jax.errors import UserError
from pinch_jax.evaluate.outcome import classify
from pinch_jax.evaluate.records import response_record, words_of_records
from pinch_jax.report.page import write_report
from pinch_jax.storage.files import write_record
from pinch_jax.storage.folders import seal
from pinch_jax.study.comparisons import Answers, Results
from pinch_jax.study.config import RELATED
from pinch_jax.study.experiments.registry import arms_of, experiment
from pinch_jax.study.experiments.related import right_share
from pinch_jax.study.measures import NotRun
from pinch_jax.study.plan import plan_study
from pinch_jax.study.records import TABLES, read_study

pytestmark = pytest.mark.usefixtures("figures_as_svg_alone")

FOUR = ("en", "it", "ru", "sw")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return str(tmp_path_factory.mktemp("corpora"))


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("parallel_content", 5),  # three languages, the same content, other content
        ("translation_instructions", 2),
        ("question_translation", 3),
        ("typology", 5),  # one selected, four drawn
        ("added_languages", 3),
        ("code_switching", 3),
    ],
)
def test_each_study_is_planned_with_sets_of_one_size(name, sets, tmp_path, corpora):
    c = get_config(name)
    c.corpus.data_dir, c.study.draws = corpora, 1
    study = plan_study(from_config_dict(c), tmp_path, progress=False)
    tuned = [run for run in study.distinct if run.plan]
    assert len(tuned) == sets and not study.warnings
    assert {run.steps for run in tuned} == {40}
    assert {sum(run.plan.budgets.values()) for run in tuned} == {600}
    (claim, _), *_ = experiment(name).findings
    source = experiment(name).words.source
    assert re.search(r"arXiv \d{4}\.\d{5}", source)[0] in claim.claim


def test_all_are_registered_and_an_unknown_one_is_refused():
    assert tuple(STUDIES) == RELATED
    with pytest.raises(ValueError, match=r"no such study; choose from .*'typology'"):
        get_config("typo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": ""}, "evaluate.recipe='': .* set it to 'translation-en'"),
        ({"tuned": ("en", "it")}, "'translation_instructions' needs three or more"),
        ({"tuned": ("it", "ru", "sw")}, "among them config.mixture.base='en'"),
    ],
)
def test_what_a_study_needs_is_told(change, message):
    c = get_config("translation_instructions")
    c.evaluate.recipe = change.get("recipe", c.evaluate.recipe)
    c.study.tuning_languages = change.get("tuned", c.study.tuning_languages)
    with pytest.raises(UserError, match=message):
        arms_of(from_config_dict(c))


def test_prompts_are_made_by_the_recipe_and_references_stay(tmp_path, corpora):
    c = get_config("translation_instructions")
    c.corpus.data_dir, c.study.draws = corpora, 1
    asked = plan_study(from_config_dict(c), tmp_path, progress=False).bench.corpus.prompts
    english, finnish = ({e.id: e for e in heldout_examples(code)} for code in ("en", "fi"))
    texts = set()
    for made, source in zip(asked("fi", 64), asked("en", 64), strict=True):
        assert source == english[made.id], "nothing is translated into its own language"
        target = finnish[made.id]
        assert source.response in made.prompt and "Finnish" in made.prompt
        assert (made.id, made.response, made.answer) == (target.id, target.response, target.answer)
        texts.add(source.response)
    tuned = {example.response for example in train_examples("en")}
    assert len(texts) == 64, "each text is asked once"
    assert texts.isdisjoint(tuned), "a pair of questions with one answer is no pair of texts"
    told = [response_record(e, "") for code in ("fi", "it") for e in asked(code, 64)]
    words = words_of_records(told)
    assert "country" not in words.known, "an English instruction is no text in Finnish"
    copied = {identify(source.response, words) for source in asked("en", 64)}
    assert "en" in copied and copied.isdisjoint(words.languages)
    c.evaluate.recipe = "translation-xx"
    with pytest.raises(UserError, match=r"evaluate\.recipe='translation-xx': write RECIPE-"):
        from_config_dict(c)


def decided(workdir, name, right):
    """Return the findings of a study in which a set answers `right(spec, language)` prompts."""
    arms = arms_of(from_config_dict(get_config(name)))
    answered = {}
    for arm in arms:
        for code, baseline in arm.baselines.items():
            for spec in (arm.spec, baseline):
                answered.setdefault(spec, {})[code] = right(spec, code)
    rows = [(arm.experiment, arm.spec, arm.x, arm.series, arm.baselines) for arm in arms]
    tuned = {spec: {f"set {n}": 600} for n, spec in enumerate(answered)}
    write_study(workdir, rows, answered, tuned, experiments=(name,))
    return findings(workdir)


def score(more, less):
    """Return the score of `more` right answers against `less`, the right ones being the same."""
    return pytest.approx(50 + 50 * (np.mean(more) - np.mean(less)) / PROMPTS)


ONE = {"monolingual:en": 10, "monolingual:it": 14, "monolingual:ru": 21}


@pytest.mark.parametrize(
    ("parallel", "disjoint", "verdicts"),
    [
        (32, 20, ("holds", "holds")),
        (6, 20, ("does not hold", "does not hold")),
        (32, 31, ("holds", "cannot tell")),
    ],
)
def test_parallel_content_is_held_against_each_language_and_other_content(
    tmp_path, parallel, disjoint, verdicts
):
    even = {"parallel": parallel, "disjoint": disjoint}
    found = decided(
        tmp_path,
        "parallel_content",
        lambda spec, code: (even | ONE)[re.match("[a-z]+(:..$)?", spec)[0]],
    )
    assert tuple(one.verdict for one in found) == verdicts
    assert [one.value for one in found] == [
        score(parallel, [*ONE.values()]),
        score(parallel, disjoint),
    ]


@pytest.mark.parametrize(
    ("seen", "unseen", "verdict"),
    [
        (24, 20, "holds"),
        (38, 9, "does not hold"),  # better than the untuned one, and less than half of the seen
        (24, 0, "does not hold"),
        (24, 14, "cannot tell"),
    ],
)
def test_translation_into_unseen_languages_is_above_no_tuning_and_half_of_the_seen(
    tmp_path, seen, unseen, verdict
):
    def right(spec, code):
        held = {"pretrained": 1, "uniform:en,it,ru,sw": 5}
        return held.get(spec, seen if code in FOUR else unseen)

    (found,) = decided(tmp_path, "translation_instructions", right)
    assert (found.verdict, found.value) == (verdict, score(unseen, 1))
    excess = 100 * (unseen - seen / 2) / PROMPTS
    assert f"which is {excess:.1f} [" in found.detail


def test_questions_without_an_answer_are_not_wrong_translations():
    told = {"a": ("Euro", "Euro"), "b": ("Markka", "Euro"), "open": ("Kyllä", "")}
    held = {id: classify("", said, "fi", answer, answer) for id, (said, answer) in told.items()}
    open_ones = {"open": held["open"]}
    answers = {("r", "fi"): Answers({}, held), ("r", "it"): Answers({}, open_ones)}
    results = Results({}, answers, tuple(told), {"r": ("r",)}, {})
    assert right_share(results, "r", ["fi"]).value == 50.0
    with pytest.raises(NotRun, match="prompts in 'it' that have an answer"):
        right_share(results, "r", ["fi", "it"])


@pytest.mark.parametrize(
    ("seen", "unseen", "beside", "verdicts"),
    [
        (20, 24, 30, ("holds", "holds")),
        (0, 24, 4, ("does not hold", "does not hold")),
        (20, 8, 12, ("cannot tell", "cannot tell")),
    ],
)
def test_translated_questions_help_where_seen_and_where_not(
    tmp_path, seen, unseen, beside, verdicts
):
    def right(spec, code):
        held = {"pretrained": 7, "monolingual:en": 13}
        alone = seen if code in FOUR else unseen
        return held.get(spec, beside if spec.startswith("weights:en=3,") else alone)

    found = decided(tmp_path, "question_translation", right)
    assert tuple(one.verdict for one in found) == verdicts
    assert [one.value for one in found] == [score(unseen, 7), score(beside, 13)]


@pytest.mark.parametrize(
    ("drawn", "verdict"),
    [
        ((12, 10, 14, 12), "holds"),
        ((36, 35, 37, 36), "does not hold"),
        ((2, 20, 23, 24), "cannot tell"),  # one set of languages decides nothing about others
    ],
)
def test_typology_is_held_against_sets_that_could_have_been_others(tmp_path, drawn, verdict):
    held = {f"uniform:4-by-random{n}": number for n, number in enumerate(drawn, 1)}
    (found,) = decided(tmp_path, "typology", lambda spec, code: held.get(spec, 25))
    assert (found.verdict, found.value) == (verdict, score(25, drawn))
    ends = re.findall(r"For other examples \S+ \[(\S+), (\S+)\]", found.detail)[0]
    assert verdict != "cannot tell" or float(ends[0]) > 50, "examples alone would decide"
    assert found.low <= float(ends[0]) + 0.05 and found.high >= float(ends[1]) - 0.05


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (30, 20, "holds"),
        (18, 20, "does not hold"),  # the old ones are lost
        (30, 1, "does not hold"),  # the new ones are not learned
        (27, 20, "cannot tell"),
    ],
)
def test_added_languages_are_learned_and_the_old_ones_kept(tmp_path, old, new, verdict):
    def right(spec, code):
        if spec == "uniform:en,it,ru,sw":
            return 30 if code in FOUR else 8
        joined = "..uniform:en," in spec
        return (old if code in FOUR else new) if joined else 3

    (found,) = decided(tmp_path, "added_languages", right)
    assert (found.verdict, found.value) == (verdict, score(old, 30))


@pytest.mark.parametrize(
    ("switched", "verdict"), [(33, "holds"), (12, "does not hold"), (26, "cannot tell")]
)
def test_code_switched_prompts_are_learned_from_such_prompts_or_known_before(
    tmp_path, switched, verdict
):
    def right(spec, code):
        if "code_switched" in spec:
            return switched if code in FOUR else 2
        return 25 if spec == "uniform:en,it,ru,sw" else 4

    (found,) = decided(tmp_path, "code_switching", right)
    assert (found.verdict, found.value) == (verdict, score(switched, 25))


def test_a_page_of_another_paper_is_headed_by_its_question_and_claim(tmp_path):
    write_workdir(tmp_path, prompts=2, experiments=("doses",))
    own = tmp_path / "doses.py"
    own.write_text(
        "from pinch_jax.study.experiments.interface import Experiment, Words\n"
        "from pinch_jax.study.experiments.figure import Bars\n"
        "words = Words('Doses', 'How much?', '', 'A bar.', source='arXiv 1234.56789')\n"
        "EXPERIMENT = Experiment(words=words, figure=Bars('score (%)', 'mean', by_series=True))\n"
    )
    study = read_study(tmp_path) | {"sweeps": [], "experiments": [str(own)]}
    for number, arm in enumerate(study["arms"]):
        arm["series"] = f"vs {number}"
    write_record(tmp_path / "study.json", {k: v for k, v in study.items() if k != "checksum"})
    finding = {"number": 1, "claim": "More is more.", "experiment": "doses", "value": 41.5}
    finding |= {"unit": "% of it", "low": 39.0, "high": 43.0, "verdict": "does not hold"}
    (tmp_path / "findings.json").write_text(json.dumps([finding | {"rule": "r", "detail": "d"}]))
    seal(tmp_path, TABLES)
    header = write_report(tmp_path).read_text("utf-8").partition("</header>")[0]
    assert "<h1>How much?</h1>" in header and "after arXiv 1234.56789" in header
    assert "More is more. It does not hold here: 41.5 [39.0, 43.0] % of it." in header
    assert 'data-figure="first"' in header and "Just a Pinch" not in header
