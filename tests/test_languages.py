"""Languages by their codes: CLDR's names and spellings, scripts, directions, families."""

import pytest
from babel import Locale, localedata

from ml_collections_configs import base
from pinch_jax.config import from_config_dict
from pinch_jax.corpus.reading.readers import read_source
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.languages import language, spellings

NAMED = Locale("en").languages
# Locales of a language, script and territory; those of a variant have a fourth part or a long one.
PLAIN = [
    name
    for name in localedata.locale_identifiers()
    if name.split("_")[0] in NAMED and all(len(part) < 5 for part in name.split("_"))
]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *(("no", "nb"), ("tl", "fil"), ("iw", "he"), ("in", "id"), ("cmn", "zh"), ("arb", "ar")),
        *(("sh", "sr-Latn"), ("sr-Cyrl", "sr"), ("zh-Hans", "zh"), ("zh_TW", "zh-Hant")),
        *(("zh-Hant", "zh-Hant"), ("pt-BR", "pt"), ("pt-PT", "pt-PT"), ("en-Latn-US", "en")),
        *(("az-Arab", "az-Arab"), ("eng", "en"), ("ckb", "ckb"), ("yue", "yue"), ("EN", "en")),
    ],
)
def test_a_code_has_one_canonical_spelling(written, code):
    assert language(written).code == code
    assert language(code).code == code


def test_every_locale_of_cldr_has_its_direction_and_a_code_that_stays_the_same():
    told = {name: language(name) for name in PLAIN}
    assert len(told) > 900
    for name, known in told.items():
        rtl = Locale.parse(name).character_order == "right-to-left"
        assert (known.direction == "rtl") == rtl, name
        assert language(known.code) == known, name


def test_names_scripts_and_families_are_told_or_said_to_be_unknown():
    assert (language("ckb").name, language("ckb").script) == ("Central Kurdish", "Arabic")
    assert (language("sr-Latn").name, language("sr-Latn").script) == ("Serbian (Latin)", "Latin")
    assert language("yue").script == "Traditional Chinese"
    assert (language("ha").family, language("zu").family) == ("Afro-Asiatic", "Niger-Congo")
    assert language("tok").family == "unknown"
    assert {"iw"} < set(spellings("he")) and spellings("he") == ("heb", "iw")


@pytest.mark.parametrize("code", ["", "xx", "english", "en-Xxxx", "en-XX", "und", "de-1901"])
def test_what_names_no_language_is_an_error_with_the_code(code):
    with pytest.raises(ValueError, match=f"^language='{code}': .*use a code such as"):
        language(code)


def built(changes):
    c = base.get_config()
    c.update(changes)
    return from_config_dict(c)


def test_a_config_may_name_any_language_of_a_corpus_of_its_own_in_any_spelling():
    own = {
        "name": "mine",
        "train": ("jsonl:/nowhere/{language}.jsonl",),
        "heldout": ("jsonl:/nowhere/{language}.test.jsonl",),
    }
    changes = {
        "languages": ("en", "iw", "no", "yue", "zh-Hant", "ha"),
        "corpus": own,
        "mixture": {
            "recipes": ("translation-en-zh-Hant",),
            "spec": "weights:en=1,zh-Hant=1,translation-en-zh-Hant=1",
        },
        "study": {"experiments": ("monolingual",)},
    }
    config = built(changes)
    assert config.languages == ("en", "he", "nb", "yue", "zh-Hant", "ha")
    assert config.mixture_of().budgets["translation-en-zh-Hant"] > 0
    with pytest.raises(ValueError, match="'he' stands twice"):
        built(changes | {"languages": ("en", "zh-Hant", "he", "iw")})
    with pytest.raises(ValueError, match=r"config\.corpus\.name=.* not in de, fr; leave these"):
        built({"languages": ("en", "de", "fr"), "study": {"experiments": ("monolingual",)}})


def test_the_file_of_a_language_may_have_a_name_that_its_code_has_replaced(tmp_path):
    (tmp_path / "iw.jsonl").write_text('{"prompt": "?", "response": "!", "language": "iw"}\n')
    (example,) = read_source(parse_source(f"jsonl:{tmp_path}/{{language}}.jsonl"), "he")
    assert (example.language, example.response) == ("he", "!")
