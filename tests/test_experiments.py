"""The paper's experiments, as comparisons: counted by hand from the paper's description."""

import collections
import dataclasses
import re
from pathlib import Path

import pytest

from ml_collections_configs import base
from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.study.config import PRETRAINED, Sweep
from pinch_jax.study.experiments.registry import arms_of, judged_languages
from pinch_jax.study.experiments.sweep import parse_sweep

CONFIG = from_config_dict(base.get_config())
LANGUAGES = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")
TUNED = ("en", "ar", "fi", "it", "ru", "sw")
UNSEEN = ("zh", "cs", "et", "he", "hi", "es")
PERCENTS = (0, 1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
FORTY = 100 * 40 / 4640


def arms(*experiments, **study):
    chosen = dataclasses.replace(CONFIG.study, experiments=experiments, **study)
    return arms_of(dataclasses.replace(CONFIG, study=chosen))


def own(languages):
    return {code: f"monolingual:{code}" for code in languages}


def budgets(spec):
    return tuple(sorted(item for item in CONFIG.mixture_of(spec).budgets.items() if item[1]))


def test_a_study_names_61_sets_of_which_59_differ_and_are_tuned():
    specs = set(judged_languages(arms_of(CONFIG)))
    # 12 monolingual and the untuned one; P = 1 by examples and 1 to 100 percent, over 12 and over
    # 6; 4 sets of 2 to 5 languages in each of 3 orders and the one they end in; 6 pairs; 5 Slavic
    # languages that are not among the 12.
    assert len(specs) == 12 + 1 + 12 + 12 + (3 * 4 + 1) + 6 + 5
    # The end of breadth is P = 100 over its languages.
    tuned = specs - {PRETRAINED}
    assert len({budgets(spec) for spec in tuned}) == len(tuned) - 1
    assert budgets("uniform:" + ",".join(TUNED)) == budgets("pinch:100:" + ",".join(TUNED))


def test_every_monolingual_model_stands_against_each_languages_own():
    for name, languages in (
        ("monolingual", LANGUAGES),
        ("slavic", ("ru", "sr", "hr", "sl", "pl", "sk", "cs")),
    ):
        table = arms(name)
        assert [(arm.x, arm.spec) for arm in table] == list(own(languages).items())
        assert all(arm.baselines == own(languages) for arm in table)


def test_every_monolingual_model_stands_against_the_untuned_one():
    table = arms("pretrained")
    assert [(arm.x, arm.spec) for arm in table] == list(own(LANGUAGES).items())
    assert all(arm.baselines == dict.fromkeys(LANGUAGES, PRETRAINED) for arm in table)


@pytest.mark.parametrize(("name", "among"), [("pinch", LANGUAGES), ("unseen", TUNED)])
def test_p_percent_is_spread_evenly_and_the_rest_is_english(name, among):
    points = arms(name)
    assert [arm.x for arm in points] == [0, FORTY, *PERCENTS[1:]]
    assert all(arm.baselines == own(LANGUAGES) for arm in points)
    for arm in points:
        held = dict(budgets(arm.spec))
        assert sum(held.values()) == 4640
        others = {code: held[code] for code in among if code in held and code != "en"}
        assert set(held) - {"en"} == set(others)
        if arm.x == 0:
            assert not others
        elif arm.x == FORTY:
            assert sum(others.values()) == 40 and max(others.values()) - min(others.values()) <= 1
        else:
            assert set(others) == set(among) - {"en"}
            for count in others.values():
                assert abs(count - 4640 * arm.x / 100 / len(among)) < 1


def test_breadth_adds_one_language_at_a_time_and_all_orders_end_in_the_same_set():
    points, ends = arms("breadth"), set()
    assert len(points) == 3 * 6
    for number in (1, 2, 3):
        order = [arm for arm in points if arm.series == f"order {number}"]
        assert [arm.x for arm in order] == [1, 2, 3, 4, 5, 6]
        before = set()
        for arm, added in zip(order, CONFIG.study.breadth_orders[number - 1], strict=True):
            held = dict(budgets(arm.spec))
            assert set(held) == before | {added}
            assert max(held.values()) - min(held.values()) <= 1
            assert arm.baselines == own(UNSEEN)
            before = set(held)
        ends.add(order[-1].spec)
    assert len(ends) == 1 and len({arm.spec for arm in points if arm.x == 1}) == 3


def test_pairs_part_the_languages_each_against_its_two_halves():
    by_pair = collections.defaultdict(list)
    for arm in arms("pairs"):
        by_pair[arm.x].append(arm)
    halves = [half for pair in by_pair for half in pair.split("+")]
    assert sorted(halves) == sorted(LANGUAGES) and len(by_pair) == 6
    for pair, (first, second) in by_pair.items():
        one, other = pair.split("+")
        assert dict(budgets(first.spec)) == {one: 2320, other: 2320} == dict(budgets(second.spec))
        rest = [code for code in LANGUAGES if code not in (one, other)]
        assert (first.series, second.series) == (f"against {one}", f"against {other}")
        assert first.baselines == dict.fromkeys(rest, f"monolingual:{one}")
        assert second.baselines == dict.fromkeys(rest, f"monolingual:{other}")


def test_the_seed_draws_the_pairs_and_nothing_else_does():
    drawn = [[arm.x for arm in arms("pairs", pair_seed=seed)] for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1] and len({tuple(pairs) for pairs in drawn}) == 3
    assert [arm.x for arm in arms("monolingual", "pairs")][12:] == drawn[0]
    turned = dataclasses.replace(CONFIG, languages=LANGUAGES[::-1])
    study = dataclasses.replace(CONFIG.study, experiments=("pairs",))
    again = {arm.x for arm in arms_of(dataclasses.replace(turned, study=study))}
    assert {frozenset(x.split("+")) for x in again} == {frozenset(x.split("+")) for x in drawn[0]}


def test_a_model_answers_where_it_is_judged_or_judged_against():
    needed = judged_languages(arms("breadth", "pretrained"))
    assert set(needed[PRETRAINED]) == set(LANGUAGES)
    # Of breadth, English is the first of an order; its model is also in the table.
    assert set(needed["monolingual:en"]) == set(LANGUAGES)
    assert set(needed["uniform:en,it"]) == set(UNSEEN)
    assert all(len(set(codes)) == len(codes) for codes in needed.values())


def test_what_looks_at_other_models_adds_none_and_asks_for_them():
    assert arms("monolingual", "pretraining_share", "same_language") == arms("monolingual")
    for name in ("pretraining_share", "same_language"):
        with pytest.raises(ValueError, match=f"'{name}' looks at the models of 'monolingual'"):
            arms(name, "pinch")


SUBSET = ("ru", "en", "zh", "sw")
IN_ORDER = ("zh", "en", "ru", "sw")


def test_where_few_languages_have_their_own_model_nothing_is_held_against_another_ones():
    few = {"monolingual_languages": SUBSET, "percents": (0, 1, 100), "unseen_percents": (0, 1)}
    few["pinch_examples"] = 0
    table = arms("monolingual", **few)
    assert [(arm.x, arm.baselines) for arm in table] == [(code, own(IN_ORDER)) for code in IN_ORDER]
    for name, percents in (("pinch", [0, 1, 100]), ("unseen", [0, 1])):
        points = arms(name, **few)
        assert [arm.x for arm in points] == percents
        assert all(arm.baselines == own(IN_ORDER) for arm in points)
    assert {code for arm in arms("breadth", **few) for code in arm.baselines} == {"zh"}
    halves = {code for arm in arms("pairs", **few) for code in arm.x.split("+")}
    assert halves == set(SUBSET)
    untuned = arms("pretrained", **few)
    assert [arm.x for arm in untuned] == list(IN_ORDER)
    assert all(list(arm.baselines) == list(LANGUAGES) for arm in untuned)


def test_gain_holds_every_tuned_model_of_the_others_against_the_untuned_one_in_all_languages():
    few = {"monolingual_languages": SUBSET, "percents": (0, 1, 100), "unseen_percents": (0, 1)}
    chosen = ("gain", "monolingual", "pretrained", "pinch", "unseen")
    held = arms(*chosen, pinch_examples=0, **few)
    gain = [arm for arm in held if arm.experiment == "gain"]
    tuned = [f"monolingual:{code}" for code in IN_ORDER]
    tuned += ["pinch:1", "pinch:100", "pinch:1:en,ar,fi,it,ru,sw"]
    assert [arm.spec for arm in gain] == tuned
    assert all(arm.baselines == dict.fromkeys(LANGUAGES, PRETRAINED) for arm in gain)
    needed = judged_languages(held)
    assert {spec: set(codes) for spec, codes in needed.items()} == {
        spec: set(LANGUAGES) for spec in (*tuned, PRETRAINED)
    }


@pytest.mark.parametrize(
    ("experiment", "own_models", "message"),
    [
        ("monolingual", ("en",), "'monolingual' compares languages; name two or more"),
        ("pairs", ("en",), "'pairs' compares languages; name two or more"),
        ("pinch", ("fi", "sw"), "'pinch' starts from config.mixture.base='en'; add it"),
        ("unseen", ("en", "fi"), "'unseen' has no unseen language to judge in among .*'en', 'fi'"),
        ("breadth", ("en", "fi"), "'breadth' has no unseen language to judge in"),
    ],
)
def test_an_experiment_that_lacks_the_models_it_needs_says_which(experiment, own_models, message):
    with pytest.raises(ValueError, match=rf"config\.study\..*{message}"):
        arms(experiment, monolingual_languages=own_models)


def test_the_base_is_unseen_by_no_pinch_though_it_is_no_tuning_language():
    mixture = dataclasses.replace(CONFIG.mixture, base="cs")
    study = dataclasses.replace(CONFIG.study, tuning_languages=TUNED, experiments=("unseen",))
    config = dataclasses.replace(CONFIG, languages=(*TUNED, "cs"), mixture=mixture, study=study)
    with pytest.raises(UserError, match="'unseen' has no unseen language to judge in"):
        arms_of(config)
    breadth = dataclasses.replace(study, experiments=("breadth",))
    held = arms_of(dataclasses.replace(config, study=breadth))
    assert {code for arm in held for code in arm.baselines} == {"cs"}


def swept(*specs, **how):
    study = dataclasses.replace(CONFIG.study, experiments=(), sweeps=(Sweep("mine", specs, **how),))
    return arms_of(dataclasses.replace(CONFIG, study=study))


def test_the_x_of_a_sweep_are_percents_numbers_of_languages_or_names():
    found = [arm.x for arm in swept("pinch:10", "monolingual:en", "pinch:50")]
    # 464 examples over 12 languages, the base too: 11 twelfths of them replace English.
    assert found == [0.0, pytest.approx(100 * 425 / 4640, abs=0.03), pytest.approx(45.8, abs=0.1)]
    assert [arm.x for arm in swept("uniform:en,fi,it", "monolingual:fi")] == [1.0, 3.0]
    names = ("uniform:en,fi", "uniform:en,it")
    assert [arm.x for arm in swept(*names)] == [*names]
    assert [arm.x for arm in swept("pinch:1", "uniform:en,it")] == ["pinch:1", "uniform:en,it"]


def test_a_sweep_is_held_against_own_models_the_untuned_one_or_a_mixture():
    two = ("pinch:1", "pinch:2")
    assert {frozenset(arm.baselines.items()) for arm in swept(*two)} == {
        frozenset(own(LANGUAGES).items())
    }
    for against in ("pretrained", "monolingual:en"):
        for arm in swept(*two, against=against, languages=("fi", "sw")):
            assert arm.baselines == {"fi": against, "sw": against}


@pytest.mark.parametrize(
    ("line", "specs", "against"),
    [
        ("pinch:0,1,2.5", ("pinch:0", "pinch:1", "pinch:2.5"), "own"),
        ("pinch:1,n40:en,fi", ("pinch:1:en,fi", "pinch:n40:en,fi"), "own"),
        # What is no dose is told as such, when the mixture is read.
        ("pinch:0,abc", ("pinch:0", "pinch:abc"), "own"),
        ("uniform:en,fi; pinch:5@pretrained", ("uniform:en,fi", "pinch:5"), "pretrained"),
        ("pinch:1,2@monolingual:en", ("pinch:1", "pinch:2"), "monolingual:en"),
        ("pinch:1;piecewise:A..B@0.5", ("pinch:1", "piecewise:A..B@0.5"), "own"),
        ("linear:A@0.2..B@1;B@linear:A@0..B@1", ("linear:A@0.2..B@1", "B"), "linear:A@0..B@1"),
    ],
)
def test_a_line_is_a_sweep(line, specs, against):
    assert parse_sweep(line, "mine") == Sweep("mine", specs, against)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"name": "pinch"}, r"config\.study\.sweeps: name='pinch'; write a name of its own"),
        ({"name": "../x"}, r"config\.study\.sweeps: name='\.\./x'"),
        ({"specs": ("pinch:1",)}, "'mine' has fewer than two specs"),
        ({"specs": ("pinch:1", "pinch:1")}, "'pinch:1' stands twice"),
        ({"specs": ("pinch:1", "pinch:x")}, r"'pinch:x'.*P='x' is not a number"),
        ({"against": "untuned"}, "'untuned'"),
        ({"languages": ("en", "de")}, "'mine' is judged in 'de', which is not in config.languages"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_an_error(how, message):
    fields = {"name": "mine", "specs": ("pinch:1", "pinch:2")} | how
    with pytest.raises(UserError, match=message):
        study = dataclasses.replace(CONFIG.study, sweeps=(Sweep(**fields),))
        dataclasses.replace(CONFIG, study=study)
    with pytest.raises(UserError, match="--sweep=pinch:1: name two mixtures or more"):
        parse_sweep("pinch:1", "mine")


def test_the_examples_of_the_docs_are_a_sweep_and_an_experiment(tmp_path):
    text = (Path(__file__).parent.parent / "docs/your_study.md").read_text(encoding="utf-8")
    in_config, in_python = re.findall("```python\n(.*?)```", text, re.DOTALL)
    c = base.get_config()
    exec(in_config, {"c": c})
    assert [sweep.name for sweep in from_config_dict(c).study.sweeps] == ["doses", "second"]
    path = tmp_path / "halves.py"
    path.write_text(in_python, encoding="utf-8")
    found = arms(str(path))
    assert {arm.experiment for arm in found} == {"halves"} and len(found) == 11
    assert found[0].baselines == own([found[0].x])
    assert dict(budgets(found[0].spec)) == {"en": 2320, found[0].x: 2320}


TWICE = """
from pinch_jax.study.experiments.interface import Arm, Experiment, Words

def arms(config):
    return [Arm("", "pinch:1", x, "", {"fi": against}) for x, against in enumerate(("a", "b"))]

EXPERIMENT = Experiment(Words("", "", "", ""), arms)
"""


def test_two_arms_that_nothing_tells_apart_are_an_error(tmp_path):
    (tmp_path / "mine.py").write_text(TWICE)
    with pytest.raises(UserError, match="'mine' has 2 arms of 'pinch:1' with series=''; give"):
        arms(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mine.py", None, r"mine\.py': no such file; give the path"),
        ("mine.py", "x = 1", r"mine\.py': it has no EXPERIMENT"),
        ("pinch.py", "x = 1", r"name='pinch'; write a name of its own"),
    ],
)
def test_a_file_that_is_no_experiment_is_an_error(tmp_path, name, text, message):
    path = tmp_path / name
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        arms(str(path))


def test_gain_alone_has_nothing_to_look_at():
    with pytest.raises(ValueError, match="'gain' looks at the models of the others; add some"):
        arms("gain")


def test_tuning_languages_outside_the_config_are_an_error_where_they_are_needed():
    few = ("en", "fi", "it")
    for name in ("unseen", "breadth"):
        study = dataclasses.replace(CONFIG.study, experiments=(name,))
        with pytest.raises(ValueError, match=r"config.study.tuning_languages.*'ar'.*languages"):
            dataclasses.replace(CONFIG, languages=few, study=study)
    study = dataclasses.replace(CONFIG.study, experiments=("monolingual",))
    assert len(arms_of(dataclasses.replace(CONFIG, languages=few, study=study))) == 3
