"""The facts every language states alike: what pays, speaks, lies, follows, equals what.

A fact is a pair of codes. Currencies, official languages, scripts and quantities are Unicode
CLDR's as Babel carries them, the places are M49's (see `m49`).
"""

import collections
import dataclasses
import datetime
import functools
from collections.abc import Iterator

from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

from pinch_jax.corpus.cldr import m49
from pinch_jax.corpus.cldr.locale_names import EQUAL, names, quantity_code
from pinch_jax.corpus.normalisation import caseless
from pinch_jax.languages import CHINESE_SCRIPTS

# Those with phrases: the twelve of the paper, in the order of its tables, and
# the Slavic ones of its appendix.
LANGUAGES = (
    *("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw"),
    *("sr", "hr", "sl", "pl", "sk"),
)

# task -> kinds of the names of its subject and of its answer
TASKS = {
    "currency": ("territory", "currency"),
    "issuer": ("currency", "territory"),
    "official_language": ("territory", "language"),
    "region": ("territory", "territory"),
    "continent": ("territory", "territory"),
    "script": ("language", "script"),
    "month_after": ("month", "month"),
    "month_before": ("month", "month"),
    "day_after": ("day", "day"),
    "day_before": ("day", "day"),
    "conversion": ("quantity", "quantity"),
}

# "Current" is as of this day, so that the corpus does not change with the calendar.
CURRENT = datetime.date(2025, 7, 1)

# CLDR calls all official languages of South Africa but English regional, which they are not.
_MORE_LANGUAGES_THAN_CLDR_SAYS = ("ZA",)


@dataclasses.dataclass(frozen=True)
class Fact:
    """One fact as codes; `key` is shared by facts that give each other away."""

    task: str
    key: str
    subject: str
    answer: str


@functools.cache
def facts() -> tuple[Fact, ...]:
    """Returns every fact that all languages of `LANGUAGES` can name plainly and unambiguously."""
    candidates = [*_money(), *_speech(), *_places(), *_scripts(), *_calendar(), *_conversions()]
    named = [fact for fact in candidates if all(_is_plain(fact, code) for code in LANGUAGES)]
    uses = collections.Counter(use for fact in named for use in _subject_uses(fact))
    return tuple(fact for fact in named if all(uses[use] == 1 for use in _subject_uses(fact)))


def _is_plain(fact: Fact, language: str) -> bool:
    """Returns whether both names exist, and without a gloss as in "North America (USA, Canada)"."""
    subject_kind, answer_kind = TASKS[fact.task]
    subject = names(language)[subject_kind].get(fact.subject)
    answer = names(language)[answer_kind].get(fact.answer)
    return subject is not None and answer is not None and "(" not in subject + answer


def _subject_uses(fact: Fact) -> Iterator[tuple[str, str, str]]:
    """Yields the name of the subject in every language: nothing else of the task may share it."""
    kind = TASKS[fact.task][0]
    for language in LANGUAGES:
        yield fact.task, language, caseless(names(language)[kind][fact.subject])


def _money() -> Iterator[Fact]:
    """Countries with one legal tender, and currencies that are tender in one of our countries."""
    tender = {
        country: get_territory_currencies(country, CURRENT, CURRENT) for country in m49.places()
    }
    issuers = collections.Counter(code for codes in tender.values() for code in codes)
    for country, codes in tender.items():
        if len(codes) == 1:
            yield Fact("currency", f"money.{country}", country, codes[0])
    for country, codes in tender.items():
        if len(codes) == 1 and issuers[codes[0]] == 1:
            yield Fact("issuer", f"money.{country}", codes[0], country)


def _official_languages() -> dict[str, str]:
    """Returns country -> language for the countries with one official language."""
    official = {}
    for country in m49.places():
        codes = get_official_languages(country, de_facto=True)
        languages = {code.partition("_")[0] for code in codes}
        if len(languages) == 1 and country not in _MORE_LANGUAGES_THAN_CLDR_SAYS:
            official[country] = languages.pop()
    return official


def _speech() -> Iterator[Fact]:
    for country, language in _official_languages().items():
        yield Fact("official_language", f"language.{country}", country, language)


def _places() -> Iterator[Fact]:
    for country, (_, region) in m49.places().items():
        yield Fact("region", f"place.{country}", country, region)
    for country, (continent, _) in m49.places().items():
        yield Fact("continent", f"place.{country}", country, continent)


def _scripts() -> Iterator[Fact]:
    """Languages with a two-letter code; Latin, else the bulk, is about a third of them."""
    scripts = {}
    for language, subtags in sorted(get_global("likely_subtags").items()):
        script = subtags.split("_")[1]
        named = (
            language in names(code)["language"] and script in names(code)["script"]
            for code in LANGUAGES
        )
        if len(language) == 2 and script not in CHINESE_SCRIPTS and all(named):
            scripts[language] = script
    other = [language for language, script in scripts.items() if script != "Latn"]
    # The best known Latin ones: official in the most countries of our table.
    countries = collections.Counter(_official_languages().values())
    latin = sorted(
        (language for language, script in scripts.items() if script == "Latn"),
        key=lambda language: (-countries[language], language not in LANGUAGES, language),
    )
    for language in sorted([*other, *latin[: len(other) // 2]]):
        yield Fact("script", f"script.{language}", language, scripts[language])


def _calendar() -> Iterator[Fact]:
    months = [f"{month:02d}" for month in range(1, 13)]
    days = [str(day) for day in range(1, 8)]
    for kind, cycle in (("month", months), ("day", days)):
        pairs = list(zip(cycle, cycle[1:] + cycle[:1], strict=True))
        for before, after in pairs:
            yield Fact(f"{kind}_after", f"{kind}.{before}", before, after)
        for before, after in pairs:
            yield Fact(f"{kind}_before", f"{kind}.{before}", after, before)


def _conversions() -> Iterator[Fact]:
    for small, large in EQUAL:
        subject = quantity_code(*small)
        yield Fact("conversion", f"conversion.{subject}", subject, quantity_code(*large))
