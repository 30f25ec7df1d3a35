"""Two analyses of what a study has: clusters of its languages, and the accent of English."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from test_analysis import LANGUAGES, findings, table, write_study

from ml_collections_configs.related import get_config
from pinch_jax.config import from_config_dict
from pinch_jax.errors import UserError
from pinch_jax.evaluate.intervals import mean_of, means_over_prompts
from pinch_jax.evaluate.outcome import classify
from pinch_jax.storage.files import read_record, write_record
from pinch_jax.study import runner
from pinch_jax.study.comparisons import Answers, Results
from pinch_jax.study.experiments import accent
from pinch_jax.study.experiments.accent import (
    english_marks,
    english_words,
    has_pronoun,
    latin_words,
    subject_pronouns,
)
from pinch_jax.study.experiments.clusters import sorted_similarities
from pinch_jax.study.experiments.registry import arms_of
from pinch_jax.study.measures import NotRun
from pinch_jax.study.similarity import pair_correlation

EIGHT = ("en", "es", "it", "ru", "cs", "fi", "ar", "sw")
EXPERIMENTS = ("monolingual", "pinch", "clusters", "accent")


def findings_of(workdir, name):
    return [found for found in findings(workdir) if found.experiment == name]


def clustered(workdir, alike, transfer, languages=EIGHT):
    """Write a study whose untuned model finds languages so alike, and whose models transfer so."""
    arms, right, tuned = table("monolingual", languages, transfer)
    study = write_study(workdir, arms, right, tuned, experiments=EXPERIMENTS)
    held = {"languages": languages, "prompts": 40, "similarity": alike}
    measured = {"clusters": {"by": "0", "is": held}}
    write_record(workdir / "study.json", study | {"languages": languages, "measured": measured})


def test_transfer_between_languages_that_the_model_finds_alike_is_found(tmp_path):
    rng, size = np.random.default_rng(0), len(EIGHT)
    noise = rng.normal(size=(size, size)) / 100
    groups = np.array([0, 1, 1, 2, 2, 3, 3, 4])
    alike = 0.5 + 0.3 * (groups[:, None] == groups) + (noise + noise.T) / 2
    np.fill_diagonal(alike, 1.0)
    right = np.round(40 * alike - 10 + np.arange(size)).astype(int)

    clustered(tmp_path, alike.tolist(), lambda a, b: int(right[EIGHT.index(a), EIGHT.index(b)]))
    transfer, families = findings_of(tmp_path, "clusters")
    score = 50 + 50 * (right - 40) / 40
    expected = pair_correlation(alike, (score + score.T) / 2)
    assert transfer.value == pytest.approx(expected.value) and transfer.value > 0.9
    assert (transfer.verdict, families.verdict) == ("holds", "cannot tell")
    for group in ("Spanish, Italian", "Russian, Czech", "Finnish, Arabic"):
        assert group in families.detail
    held = sorted_similarities(SimpleNamespace(study=read_record(tmp_path / "study.json", "")))
    order = list(dict.fromkeys(a for a, _ in held))
    places = {code: order.index(code) for code in EIGHT}
    near = [abs(places[a] - places[b]) for a, b in (("es", "it"), ("ru", "cs"), ("fi", "ar"))]
    assert near == [1, 1, 1]
    assert held["it", "fi"] == pytest.approx(alike[2, 5])


def test_without_languages_or_paired_prompts_nothing_is_decided(tmp_path):
    clustered(tmp_path / "few", np.eye(5).tolist(), lambda a, b: 8, LANGUAGES)
    for found in findings_of(tmp_path / "few", "clusters"):
        assert (found.verdict, found.detail) == ("not run", "not run: 8 languages or more")
    clustered(tmp_path / "none", np.eye(8).tolist(), lambda a, b: 8)
    study = read_record(tmp_path / "none/study.json", "")
    study["measured"]["clusters"]["is"] = {"languages": EIGHT, "prompts": 3}
    write_record(tmp_path / "none/study.json", study)
    for found in findings_of(tmp_path / "none", "clusters"):
        assert "the same ids in all languages (there are 3)" in found.detail


def test_prompts_in_another_language_than_their_own_are_no_representations_of_it():
    config = get_config("translation_instructions")
    config.study.experiments = ("monolingual", "clusters")
    with pytest.raises(UserError, match="'clusters' is about other prompts; set it to ''"):
        arms_of(from_config_dict(config))


BASE = {"en": "The currency of this country is the Kenyan shilling."}
BASE |= {"it": "La valuta di questo Paese è lo scellino keniota."}
BASE |= {"ru": "В этой стране платят такой валютой: кенийский шиллинг."}
BASE |= {"es": "La moneda de este país es el chelín keniano."}
COUNT, SPECS = 30, ("monolingual:en", "pinch:1", "monolingual:it", "monolingual:ru")


def accented(changes, languages=("en", "it", "ru"), draws=1):
    """Return results in which `changes`, (run, language) -> what an answer is by number."""
    ids = [f"money.{n}" for n in range(COUNT)]
    answers = {}
    for spec, code, draw in itertools.product(SPECS, languages, range(draws)):
        reference, change = BASE[code], changes.get((spec, code), lambda n, text: text)
        records = {
            id: {"prompt": f"{reference[:12]} {n}?", "reference": reference, "language": code}
            | {"response": change(n - draw, reference), "answer": "", "task": ""}
            for n, id in enumerate(ids)
        }
        outcomes = {
            id: classify(one["prompt"], one["response"], code, reference)
            for id, one in records.items()
        }
        answers[f"{spec}-{draw}", code] = Answers(records, outcomes)
    arms = []
    for spec, percent in (("pinch:1", 1.0), ("monolingual:en", 0.0)):
        by_draw = [
            {"run": f"{spec}-{d}"}
            | {"baseline_runs": {code: f"monolingual:{code}-{d}" for code in languages}}
            for d in range(draws)
        ]
        arms.append(
            {"experiment": "pinch", "spec": spec, "x": percent, "draws": by_draw} | by_draw[0]
        )
    study = {"base": "en", "languages": languages, "arms": arms}
    return Results(study, answers, tuple(ids), {}, {})


def test_an_english_prompt_of_another_language_is_no_word_of_it():
    results = accented({("pinch:1", "it"): with_word(6, "currency")})
    crossed = {"task": "crosslingual/money", "prompt": "The currency?"}
    records = {id: one | crossed for id, one in results.answers["pinch:1-0", "it"].records.items()}
    for key in [key for key in results.answers if key[1] == "it"]:
        results.answers[key] = dataclasses.replace(results.answers[key], records=records)
    assert english_marks(results)("La currency", "it")


def with_word(count, word):
    return lambda n, text: text.replace(" ", f" {word} ", 1) if n < count else text


def test_english_words_count_in_answers_that_are_in_the_language_alone():
    def mostly(n, text):  # 6 answers with an English word, 12 in English, 12 as they should be
        return with_word(6, "currency")(n, text) if n < 18 else BASE["en"]

    results = accented({("pinch:1", "it"): mostly, ("pinch:1", "ru"): with_word(15, "shilling")})
    found = english_words(results)
    assert found.number.value == pytest.approx((100 * 6 / 18 + 100 * 15 / 30) / 2)
    assert found.verdict == "holds" and found.number.low > 0
    held = [np.where(np.arange(30) < 18, 100.0 * (np.arange(30) < 6), np.nan)]
    held += [100.0 * (np.arange(30) < 15)]
    sides = [mean_of(means_over_prompts(np.stack(x).T)) for x in (held, np.multiply(held, 0))]
    assert found.number.numbers == (sides[0] - sides[1]).estimate().numbers
    cells = {(row.x, row.language): row for row in accent.rows(results)}
    assert cells["1", "it"].score.value == pytest.approx(100 / 3) and cells["1", "it"].prompts == 18
    assert cells["1", "own"].score.value == cells["0", "mean"].score.value == 0
    assert cells["1", "mean"].run and not cells["1", "own"].run, "own models are others'"
    assert "en" not in {language for _, language in cells}


def test_a_word_that_the_language_has_itself_is_no_english_one():
    own = "Kenyan"
    results = accented({("pinch:1", "it"): with_word(20, own)})
    assert english_words(results).number.value == pytest.approx(100 * 20 / 30 / 2)
    for spec in SPECS:
        records = results.answers[f"{spec}-0", "it"].records
        records["money.3"]["prompt"] += f" ({own.upper()})"
    assert english_words(results).number.value == 0


def test_as_many_english_words_as_in_the_own_models_answers_are_no_accent():
    change = with_word(9, "currency")
    results = accented({("pinch:1", "it"): change, ("monolingual:it", "it"): change}, draws=2)
    found = english_words(results)
    assert found.number.value == 0 and found.verdict == "cannot tell"


def test_subject_pronouns_are_told_where_there_are_enough(monkeypatch):
    told = accented({("pinch:1", "it"): with_word(4, "io")})
    with pytest.raises(NotRun, match="different answers and references in it, 1 have one"):
        subject_pronouns(told)
    monkeypatch.setattr(accent, "LEAST_PRONOUNS", 1)
    found = subject_pronouns(accented({("pinch:1", "it"): with_word(24, "io")}))
    assert found.number.value == pytest.approx(80) and found.verdict == "holds"
    with pytest.raises(NotRun, match="none of es, it, el, tr"):
        subject_pronouns(accented({}, languages=("en", "ru")))


@pytest.mark.parametrize(
    ("code", "text", "has"),
    [
        ("es", "Yo creo que es Nairobi.", True),
        ("es", "Creo que tu capital es Nairobi.", False),
        ("es", "¿Sabes tú?", True),
        ("it", "Dio e io", True),
        ("it", "Il rione", False),
        ("el", "ΕΓΏ νομίζω", True),
        ("tr", "Benim bence", False),
    ],
)
def test_a_pronoun_is_a_whole_word_in_any_case(code, text, has):
    assert has_pronoun(text, code) == has


def test_words_are_latin_ones_wherever_they_stand():
    assert latin_words("货币是Kenyan先令 of the ÉLAN.") == ["kenyan", "the", "élan"]


def test_what_is_asked_of_the_untuned_model_is_asked_again_only_where_something_changed(tmp_path):
    (tmp_path / "own.py").write_text(
        "from pinch_jax.study.experiments.interface import Experiment, Words\n"
        "EXPERIMENT = Experiment(words=Words('a', 'b', 'c', 'd'),\n"
        "    measure=lambda bench: (bench.prompts, lambda: bench.asked.append(1) or 5))\n"
    )
    chosen = SimpleNamespace(experiments=(str(tmp_path / "own.py"),))
    bench = SimpleNamespace(config=SimpleNamespace(study=chosen), asked=[], prompts=[[1, 2]])
    bench.fingerprint = lambda plan: bench.weights
    study = SimpleNamespace(bench=bench, workdir=tmp_path)

    def times(weights, prompts):
        bench.weights, bench.prompts = weights, prompts
        found = runner._measured(study)
        assert found["own"]["is"] == 5
        write_record(tmp_path / "study.json", {"measured": found})
        return len(bench.asked)

    assert [times("w", [[1]]), times("w", [[1]])] == [1, 1]
    assert [times("v", [[1]]), times("v", [[2]]), times("v", [[2]])] == [2, 3, 3]
    with (tmp_path / "own.py").open("a") as file:
        file.write("# It measures otherwise now.\n")
    assert [times("v", [[2]]), times("v", [[2]])] == [4, 4]
