"""The accent that English leaves on answers in other languages.

Source: Papadimitriou, Lopez and Jurafsky (2022), arXiv 2210.05619.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import regex

from pinch_jax.evaluate.intervals import Mean, mean_of
from pinch_jax.evaluate.records import own_texts
from pinch_jax.evaluate.text_match import normalise
from pinch_jax.study.comparisons import Arm, Results, draws_of
from pinch_jax.study.experiments.figure import Curve
from pinch_jax.study.experiments.interface import BANDS, Claim, Decision, Experiment, Words, decide
from pinch_jax.study.measures import NotRun, dose_name, show
from pinch_jax.study.records import Records
from pinch_jax.study.rows import Score, score_row

NAME, ENGLISH, OWN_MODELS = "accent", "en", "own"
# Shorter English words are words of other languages, too.
LEAST_LETTERS = 3
# In these a subject pronoun is left out unless it is stressed; those of its forms that are nothing
# else. Source: the paper (es); Biberauer et al. (2010), Parametric Variation: Null Subjects in
# Minimalist Theory, chapter 1, of consistent null-subject languages (it, el, tr).
SUBJECT_PRONOUNS = {
    "es": "yo tú",
    "it": "io tu",
    "el": "εγώ εσύ εμείς εσείς",
    "tr": "ben sen biz siz",
}
# With fewer answers and references that have one, nothing is told.
LEAST_PRONOUNS = 10
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_LATIN = regex.compile(r"[\p{Latin}\p{M}]+")
ON_WHAT = (
    "Over the prompts that both the model of the first P above 0 and the language's own model "
    "answer in the language, mean of the languages. Holds if the interval lies above 0; does not "
    "hold if it lies below. "
)
PRONOUNS = Claim(
    claim="A multilingual model is biased to English-like grammar where a language leaves a choice:"
    " against a monolingual one it has more explicit subject pronouns (arXiv 2210.05619).",
    unit="points more answers with a subject pronoun",
    rule=f"{ON_WHAT}Answers with a form that is nothing but a subject pronoun, in "
    f"{', '.join(SUBJECT_PRONOUNS)}: other languages have no such list here. Not decided with "
    f"fewer than {LEAST_PRONOUNS} answers or references that have one. The paper parses sentences "
    "of an encoder, here answers are counted.",
)
WORDS = Claim(
    claim="English shows in answers that are in another language: tuned mostly on English, a model "
    "has more English words in them than the language's own model (our measure, beside that of "
    "arXiv 2210.05619).",
    unit="points more answers with an English word",
    rule=f"{ON_WHAT}An English word has {LEAST_LETTERS} Latin letters or more, and is in the "
    "study's English prompts or references and in none of the language's. Answers whose language "
    "is another one do not count: those are told of elsewhere.",
)


class Held(NamedTuple):
    """Shares of the same prompts' answers that bear a mark, in percent; of how many prompts."""

    arm: Mean
    own: Mean
    prompts: int


Marked = Callable[[str, str], bool]


def english_marks(results: Results) -> Marked:
    """Returns what tells whether an answer (its text, its language) has an English word.

    Raises:
        NotRun: the language that the others replace is not English, or has no prompts.
    """

    @functools.cache
    def words(code: str) -> frozenset[str]:
        """Returns those of the prompts and references in a language."""
        texts = (text for one in results.asked.get(code, {}).values() for text in own_texts(one))
        return frozenset(word for text in texts for word in latin_words(text))

    if results.study["base"] != ENGLISH or not words(ENGLISH):
        raise NotRun("English as config.mixture.base, with prompts")
    return lambda text, code: bool((words(ENGLISH) - words(code)).intersection(latin_words(text)))


def latin_words(text: str) -> list[str]:
    """Returns the words of a text in Latin letters, in small ones, that are long enough."""
    return [word for word in _LATIN.findall(normalise(text)) if len(word) >= LEAST_LETTERS]


def has_pronoun(text: str, code: str) -> bool:
    """Returns whether a text of a language of the list has a subject pronoun."""
    forms = {normalise(form) for form in SUBJECT_PRONOUNS[code].split()}
    return not forms.isdisjoint(_WORD.findall(normalise(text)))


def marked(results: Results, arm: Arm, code: str, has: Marked) -> Held | None:
    """Returns how many answers of an arm in a language have a mark, and of its own model.

    Both over the prompts that both answer in the language, draw by draw; None without any, or
    where the arm is the language's own model.
    """
    by_arm, by_own = [], []
    for draw in draws_of(arm):
        run, own = draw["run"], draw["baseline_runs"][code]
        if run == own:
            return None
        sides = [results.answers[side, code] for side in (run, own)]
        both = [
            id
            for id in sides[0].records
            if all(id in s.outcomes and s.outcomes[id].right_language for s in sides)
        ]
        for side, held in zip(sides, (by_arm, by_own), strict=True):
            held.append({id: float(has(side.records[id]["response"], code)) for id in both})
    if not any(by_arm):
        return None
    return Held(results.mean(by_arm), results.mean(by_own), sum(map(len, by_arm)))


def by_mixture(
    results: Results, has: Marked, codes: Collection[str]
) -> Iterator[tuple[Arm, Mapping[str, Held]]]:
    """Yields the arms of the pinch experiment, from the most English down: (arm, its languages).

    Language -> `marked`, of those languages but English that both models answer in.
    """
    arms = [arm for arm in results.study["arms"] if arm["experiment"] == "pinch"]
    for arm in sorted(arms, key=lambda arm: arm["x"]):
        asked = [code for code in codes if code != ENGLISH and code in arm["baseline_runs"]]
        held = {code: marked(results, arm, code, has) for code in asked}
        yield arm, {code: of for code, of in held.items() if of}


def both_means(held: Mapping[str, Held]) -> tuple[Mean, Mean]:
    """Returns the means of the languages: of the mixture, and of their own models."""
    return mean_of(of.arm for of in held.values()), mean_of(of.own for of in held.values())


def english_words(results: Results) -> Decision:
    """Decides by how many more answers have an English word; the detail has each P."""
    return _decided(results, english_marks(results), results.study["languages"])


def subject_pronouns(results: Results) -> Decision:
    """Decides by how many more answers have a subject pronoun, where there are enough at all."""
    codes = [code for code in results.study["languages"] if code in SUBJECT_PRONOUNS]
    texts = {
        (code, text)
        for (_, code), answers in results.answers.items()
        if code in codes
        for one in answers.records.values()
        for text in (one["response"], one["reference"])
    }
    told = sum(has_pronoun(text, code) for code, text in texts)
    if told < LEAST_PRONOUNS:
        named = ", ".join(codes) or f"none of {', '.join(SUBJECT_PRONOUNS)}"
        raise NotRun(
            f"answers in which subjects are pronouns: of the {len(texts)} different answers and "
            f"references in {named}, {told} have one that could be left out"
        )
    return _decided(results, has_pronoun, codes)


def _decided(results: Results, has: Marked, codes: Collection[str]) -> Decision:
    """Decides by the most English of the mixtures that have another language."""
    every = list(by_mixture(results, has, codes))
    first, held = next(((arm, held) for arm, held in every if arm["x"] > 0), (None, {}))
    if not first:
        raise NotRun("pinch with a P above 0")
    if not held:
        raise NotRun("prompts that both a mixture and the language's own model answer in it")
    told = []
    for mixture, of in every:
        if of:
            shares = " % against ".join(map(show, both_means(of)))
            told.append(f"{dose_name(mixture)}: {shares} % ({len(of)} languages)")
    arm, own = both_means(held)
    more = (arm - own).estimate()
    number = sum(of.prompts for of in held.values())
    where = f" at {dose_name(first)}, mean of {len(held)} languages"
    detail = f"The mixture against the languages' own models: {'; '.join(told)}. {number} answers."
    return Decision(more, decide((more, 0.0)), detail, where)


def rows(results: Results) -> list[Score]:
    """Returns the shares of answers with an English word: of each P and language, and own models.

    They are percent of the prompts that both answer in the language.
    """
    try:
        has = english_marks(results)
    except NotRun:
        return []
    found = []
    for arm, held in by_mixture(results, has, results.study["languages"]):
        if not held:
            continue
        means = {code: of.arm for code, of in held.items()}
        means["mean"], means[OWN_MODELS] = both_means(held)
        counts = {code: of.prompts for code, of in held.items()}
        found += [
            score_row(
                # Nothing is at 50: its p means nothing.
                dataclasses.replace(mean.estimate(), p=math.nan),
                NAME,
                spec=arm["spec"],
                x=f"{arm['x']:g}",
                language=code,
                # The languages' own models are several.
                run="" if code == OWN_MODELS else arm["run"],
                draws=len(draws_of(arm)),
                prompts=counts.get(code, sum(counts.values())),
            )
            for code, mean in means.items()
        ]
    return found


def in_words(records: Records, experiment: str) -> str:
    """Says what the findings are, each with its number or with why it has none."""
    told = []
    for found in records.findings:
        if found.experiment != experiment:
            continue
        if found.value is None:
            told.append(f"Not run, {found.unit}: {found.detail.removeprefix('not run: ')}.")
        else:
            number = show(found.estimate, found.digits)
            told.append(f"{number} {found.unit}. {found.detail}")
    return " ".join(told)


EXPERIMENT = Experiment(
    words=Words(
        short="Accent",
        title="The accent of English",
        lead="Does a model that is tuned mostly on English write other languages as English would? "
        "How many of its answers that are in the language have an English word, and in languages "
        "that leave subject pronouns out, how many have one, against the language's own model?",
        caption="A line is the share of answers with an English word, of those prompts that both "
        "the mixture and the language's own model answer in the language; a thin line is a "
        f"language. {BANDS.partition('.')[0]}.",
        found="Grammatical structures of English bleed into other languages: a multilingual model "
        "prefers explicit pronouns and the order of subject, verb and object, more than a "
        "monolingual one does.",
        source="arXiv 2210.05619, “Multilingual BERT has an accent: Evaluating English influences "
        "on fluency in multilingual models” (Papadimitriou et al., 2022)",
    ),
    findings=[(WORDS, english_words), (PRONOUNS, subject_pronouns)],
    figure=Curve(
        "examples that are not English (%)",
        {"mean": "tuned on the mixture", OWN_MODELS: "tuned on the language alone"},
        y="answers with an English word (%)",
    ),
    rows=rows,
    result=in_words,
    needs=["pinch"],
)
