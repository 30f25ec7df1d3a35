"""The bundled parallel corpus: true, parallel, split by fact, and unchanged by its way to disk."""

import collections
import dataclasses
import json
import re
import subprocess
import sys
import unicodedata

import pytest
from babel import Locale
from bundled import LANGUAGES, SLAVIC_LANGUAGES, STUDY_LANGUAGES

from ml_collections_configs import base
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.corpus.cldr import locale_names, m49
from pinch_jax.corpus.cldr.facts import TASKS, facts
from pinch_jax.corpus.sources import load_corpus
from pinch_jax.languages import language

# Reads one locale in a process of its own, by Babel's public interface, as JSON.
FRESH_PROCESS = """
import json, sys
from babel import Locale
from babel.units import format_unit
locale = Locale(sys.argv[1])
print(json.dumps({
    "month": {f"{m:02d}": locale.months["stand-alone"]["wide"][m] for m in range(1, 13)},
    "day": {str(d + 1): locale.days["stand-alone"]["wide"][d] for d in range(7)},
    "territory": dict(locale.territories),
    "currency": dict(locale.currencies),
    "language": dict(locale.languages),
    "script": dict(locale.scripts),
    "length": {f"{n}-meter": format_unit(n, "length-meter", "long", "0", locale=locale)
               for n in (1, 2, 3, 5, 1000)},
}))
"""


@pytest.fixture(scope="module")
def fresh_names() -> dict:
    """Names of every language, each read in a process that reads nothing else."""
    processes = {
        code: subprocess.Popen(
            [sys.executable, "-c", FRESH_PROCESS, code], stdout=subprocess.PIPE, text=True
        )
        for code in LANGUAGES
    }
    return {code: json.loads(process.communicate()[0]) for code, process in processes.items()}


@pytest.mark.parametrize("first", ["zh", "sw"])
def test_names_do_not_depend_on_the_languages_read_before(first, fresh_names):
    Locale(first).months["stand-alone"]["wide"]  # what poisons Babel's shared cache
    locale_names.names.cache_clear()
    for code in sorted(LANGUAGES, key=lambda code: (code != first, code)):
        names, fresh = locale_names.names(code), fresh_names[code]
        for kind in ("month", "day", "territory", "currency", "language", "script"):
            assert names[kind] == fresh[kind], (code, kind)
        for quantity, expected in fresh["length"].items():
            # Swahili has no long pattern of its own, where Babel prints the unit's identifier.
            if "length-" not in expected and quantity in names["quantity"]:
                assert names["quantity"][quantity] == expected, code


def test_phrase_files_have_the_same_structure_in_every_language():
    def structure(code):
        return {
            task: {
                part: [sorted(re.findall(r"\{.*?\}", template)) for template in templates]
                for part, templates in (*entry.items(), ("response", [entry["response"]]))
            }
            for task, entry in cldr.phrases(code).items()
        }

    english = structure("en")
    assert set(english) == set(TASKS)
    for code in LANGUAGES:
        assert structure(code) == english, code


def test_every_language_asks_the_same_questions():
    rows = {
        code: [(example.id, example.fact, example.task) for example in cldr.examples(code)]
        for code in LANGUAGES
    }
    assert len(rows["en"]) > 3000
    assert len({identifier for identifier, _, _ in rows["en"]}) == len(rows["en"])
    assert all(own == rows["en"] for own in rows.values())


@pytest.mark.parametrize("code", LANGUAGES)
def test_prompts_name_their_subject_and_responses_their_answer(code):
    by_id = {example.id: example for example in cldr.examples(code)}
    names, english = locale_names.names(code), locale_names.names("en")
    for fact in facts():
        subject_kind, answer_kind = TASKS[fact.task]
        answer = names[answer_kind][fact.answer]
        for phrasing, question in enumerate(cldr.phrases(code)[fact.task]["questions"]):
            example = by_id[f"{fact.task}.{fact.subject}.{phrasing}"]
            assert names[subject_kind][fact.subject] in example.prompt
            assert example.prompt.startswith(question.split("{")[0])
            assert example.answer == answer and answer in example.response != answer
            same = answer.casefold() == english[answer_kind][fact.answer].casefold()
            assert example.english_answer == (same and code != "en")
    texts = [example.prompt for example in by_id.values()]
    assert len(set(texts)) == len(texts)  # no question has two answers


@pytest.mark.parametrize("code", LANGUAGES)
def test_pretraining_text_answers_no_question(code):
    questions = {example.prompt for example in cldr.examples(code)}
    for text in cldr.statements(code):
        asked = text.response in questions
        assert asked == text.id.endswith(".q")
        assert asked or not any(mark in text.response for mark in "?？؟")
        assert not text.prompt


@pytest.mark.parametrize("code", LANGUAGES)
def test_text_is_written_in_the_script_and_direction_of_its_language(code):
    text = " ".join(e.prompt + e.response for e in cldr.statements(code) + cldr.examples(code))
    assert not {"{", "("} & set(text) and "  " not in text
    assert set(re.findall(r"\d", text)) <= set("0123456789")
    assert not {char for char in set(text) if unicodedata.category(char) in ("Cf", "Cc")}
    letters = collections.Counter(char for char in text if char.isalpha())
    script = {"Simplified Chinese": "CJK"}.get(language(code).script, language(code).script.upper())
    native = sum(n for char, n in letters.items() if unicodedata.name(char).startswith(script))
    assert native / letters.total() > 0.99
    rtl = sum(n for char, n in letters.items() if unicodedata.bidirectional(char) in ("R", "AL"))
    assert (rtl / letters.total() > 0.99) == (language(code).direction == "rtl")


def test_facts_are_true():
    known = {(fact.task, fact.subject): fact.answer for fact in facts()}
    assert known["currency", "KE"] == "KES" and known["issuer", "KES"] == "KE"
    assert known["currency", "FI"] == "EUR" and ("issuer", "EUR") not in known
    assert ("issuer", "ZAR") not in known  # Namibia's second currency
    assert known["official_language", "BR"] == "pt" and ("official_language", "CH") not in known
    assert ("official_language", "ZA") not in known  # twelve of them
    assert known["region", "KE"] == "014" and known["continent", "KE"] == "002"
    assert known["script", "sr"] == "Cyrl"
    assert known["month_after", "12"] == "01" and known["month_before", "01"] == "12"
    assert known["day_after", "7"] == "1" and known["day_before", "1"] == "7"
    assert known["conversion", "120-minute"] == "2-hour"
    scripts = collections.Counter(fact.answer for fact in facts() if fact.task == "script")
    assert scripts["Latn"] < 0.35 * scripts.total()
    countries = [
        country
        for regions in m49.M49.values()
        for row in regions.values()
        for country in row.split()
    ]
    assert len(set(countries)) == len(countries)


def test_no_held_out_fact_gives_itself_away_in_training():
    train = {example.fact for example in cldr.train_examples("en")}
    heldout = {example.fact for example in cldr.heldout_examples("en")}
    assert not train & heldout
    # Independently of the keys: the unordered pair of codes, told or asked the other way round.
    sides = collections.defaultdict(set)
    for fact in facts():
        sides[frozenset((fact.subject, fact.answer))].add(cldr.is_heldout(fact.key))
        if fact.task in ("region", "continent"):
            sides[fact.subject].add(cldr.is_heldout(fact.key))
    assert all(len(side) == 1 for side in sides.values())
    shares = collections.defaultdict(list)
    for key in train | heldout:
        shares[key.partition(".")[0]].append(key in heldout)
    assert all(0.15 < sum(side) / len(side) < 0.3 for side in shares.values()), shares


def test_a_prefix_of_the_held_out_prompts_is_a_fair_sample():
    heldout = cldr.heldout_examples("en")
    assert sorted(e.id for e in (*heldout, *cldr.train_examples("en"))) == sorted(
        e.id for e in cldr.examples("en")
    )
    subjects = [example.id.rpartition(".")[0] for example in heldout]
    in_all = collections.Counter(example.task for example in heldout)
    distinct = len(set(subjects))
    seen: collections.Counter = collections.Counter()
    for size, example in enumerate(heldout[:distinct], start=1):
        seen[example.task] += 1
        for task, total in in_all.items():
            assert abs(seen[task] - size * total / len(heldout)) <= 1, (size, task)
    assert len(set(subjects[:distinct])) == distinct
    assert len({example.id[-1] for example in heldout[:8]}) > 1  # phrasings are mixed too


def bundled(data_dir, name="cldr_instructions"):
    corpus = from_config_dict(base.get_config()).corpus
    return dataclasses.replace(corpus, name=name, data_dir=str(data_dir))


def test_a_language_is_the_same_whatever_others_are_read(tmp_path):
    corpus = load_corpus(bundled(tmp_path), ("sw", "he"), progress=False)
    for code in ("sw", "he"):
        assert corpus.train[code] == cldr.train_examples(code)
        assert corpus.heldout[code] == cldr.heldout_examples(code)
    alone = load_corpus(bundled(tmp_path), ("he",), progress=False)
    assert alone.checksums == {"he": corpus.checksums["he"]} and list(alone.train) == ["he"]
    assert corpus.checksums["he"] != corpus.checksums["sw"]
    assert not list(tmp_path.iterdir())  # what the package brings needs no files


def test_importing_the_corpus_starts_neither_jax_nor_tensorflow():
    unwanted = "{'jax', 'tensorflow', 'tensorflow_datasets'}"
    code = f"import sys, pinch_jax.corpus.sources; print({unwanted} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_errors_name_what_is_wrong_and_what_would_be_right(tmp_path):
    config = bundled(tmp_path)
    with pytest.raises(ValueError, match=r"language='xx'.*use a code such as"):
        load_corpus(config, ("en", "xx"))
    with pytest.raises(ValueError, match=r"language='de': not one of the bundled .* sw, "):
        load_corpus(config, ("en", "de"))
    with pytest.raises(ValueError, match="at least one language"):
        load_corpus(config, ())


def test_language_tables_are_those_of_the_study():
    assert len(LANGUAGES) == 17 == len(set(STUDY_LANGUAGES) | set(SLAVIC_LANGUAGES))
    assert set(STUDY_LANGUAGES) & set(SLAVIC_LANGUAGES) == {"ru", "cs"}
    assert all(Locale("en").languages[code] == entry.name for code, entry in LANGUAGES.items())
