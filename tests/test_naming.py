"""Mixtures in words: short, and never two alike."""

from pinch_jax.study.naming import names_of

LANGUAGES = ("en", "fi", "it", "sw")


def test_mixtures_are_told_in_words():
    specs = {
        "pretrained": "not tuned",
        "monolingual:sw": "Swahili",
        "uniform:en,fi": "en + fi",
        "uniform:sw,it,fi,en": "all languages alike",
        "pinch:0": "English",
        "pinch:2.5": "2.5 % over all languages",
        "pinch:n40": "40 examples over all languages",
        "pinch:1:en,fi,sw": "1 % over 3 languages",
        "pinch:100:en,fi,sw": "3 languages alike",
        "weights:en=1,fi=3": "en 25 %, fi 75 %",
        "linear:pinch:1..pinch:10": "linear:pinch:1..pinch:10",
        "parallel:uniform:en,fi": "en + fi, parallel content",
        "piecewise:uniform:en,fi..monolingual:sw@0.5": "en + fi, then Swahili from 50 % on",
        "uniform:translation-en-fi,translation-en-it,sw": "translation en → fi, it + sw",
        "weights:en=2,translation-en-fi=1,translation-en-it=1": "en 50 %, translation en → fi, it "
        "50 %",
    }
    assert names_of(specs, LANGUAGES, "en") == specs


def test_two_mixtures_that_would_be_called_alike_name_their_languages():
    specs = ("pinch:1:en,fi", "pinch:1:en,it", "pinch:1")
    assert names_of(specs, LANGUAGES, "en") == {
        "pinch:1:en,fi": "1 % over 2 languages (en, fi)",
        "pinch:1:en,it": "1 % over 2 languages (en, it)",
        "pinch:1": "1 % over all languages",
    }
