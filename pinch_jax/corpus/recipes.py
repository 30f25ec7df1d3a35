"""Examples of two languages at once, made from parallel ones: recipes of neighbouring work.

A recipe takes the same example in two languages to one example with the same id, so that its
examples are mixed like those of a language. "<recipe>-<source>-<target>" is its name, and `target`
is always the language of the response. The phrases are in `recipes.json`, each grammatical
whatever language it names; which of them an example gets depends on its id alone.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

from pinch_jax.corpus.cldr.locale_names import names
from pinch_jax.corpus.duplicates import folded
from pinch_jax.corpus.example import ByLanguage, Example, crosslingual
from pinch_jax.corpus.normalisation import is_blank
from pinch_jax.corpus.word_breaks import words
from pinch_jax.errors import UserError

PHRASES = pathlib.Path(__file__).with_name("recipes.json")
# A sentence ends with its mark and closing quotes before a space, or with its line; Chinese puts
# no space after the mark. The space belongs to the sentence before it.
_SENTENCE_END = re.compile(r"(?:[.!?…؟۔।]+[\"'’”»)\]]*(?=\s)|[。！？]+[’”」』）]*|(?=\n))\s*")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is made of two languages; `kind` is one of `RECIPES`."""

    kind: str
    source: str
    target: str

    @property
    def name(self) -> str:
        """Its name as a member of a mixture."""
        return f"{self.kind}-{self.source}-{self.target}"


def parse_recipe(name: str, languages: Sequence[str]) -> Recipe:
    """Returns the recipe that a name such as "translation-en-fi" stands for.

    Raises:
      UserError: there is no such recipe, or not both of its languages are among `languages`.
    """

    def error(problem: str) -> UserError:
        return UserError(f"config.mixture.recipes: {name!r} {problem}")

    kind, *parts = name.split("-")
    # A code may have hyphens of its own: translation-en-zh-Hant.
    splits = [("-".join(parts[:n]), "-".join(parts[n:])) for n in range(1, len(parts))]
    known = [pair for pair in splits if set(pair) <= set(languages)]
    codes = known[0] if known else parts
    if kind not in RECIPES or len(codes) != 2:
        form = f"{kind if kind in RECIPES else 'translation'}-en-fi"
        raise error(f"is not RECIPE-LANGUAGE-LANGUAGE with one of {[*RECIPES]}; write e.g. {form}")
    for code in codes:
        if code not in languages:
            raise error(
                f"names {code!r}, which is not in config.languages={list(languages)}; add it"
            )
    if codes[0] == codes[1]:
        raise error(f"names {codes[0]!r} twice; name two languages")
    return Recipe(kind, *codes)


def recipe_of(member: str, languages: Sequence[str]) -> Recipe | None:
    """Returns the recipe of two of `languages` that a member of a mixture is, or None."""
    return parse_recipe(member, languages) if member.partition("-")[0] in RECIPES else None


def heldout_recipes(named: str, languages: Sequence[str]) -> dict[str, Recipe]:
    """Returns the recipe of each language's prompts, by "translation-en": all but its source's.

    Raises:
      UserError: there is no such recipe, or its source is not among `languages`.
    """
    kind, _, source = named.partition("-")
    if kind not in RECIPES or source not in languages:
        raise UserError(
            f"config.evaluate.recipe={named!r}: write RECIPE-LANGUAGE, with one of {[*RECIPES]} "
            f"and of config.languages={list(languages)}, such as 'translation-en'"
        )
    return {code: Recipe(kind, source, code) for code in languages if code != source}


def heldout_by_recipe(
    named: str, languages: Sequence[str], train: ByLanguage, heldout: ByLanguage
) -> dict[str, tuple[Example, ...]]:
    """Returns the held-out examples of each language, asked by a recipe in all but its source.

    Responses are translated, and many questions have the same one: each text is asked once, and
    none that is a response in training, whose translation may have been tuned on. Two prompts that
    become the same lack what tells them apart, and are left out in every language.

    Raises:
      UserError: as `heldout_recipes` and `recipe_examples` do, or nothing is left.
    """
    recipes = heldout_recipes(named, languages)
    kind, _, source = named.partition("-")
    places = range(len(heldout[source]))
    if kind == "translation":
        tuned = {folded(example.response) for example in train[source]}
        first: dict[str, int] = {}
        for place, example in enumerate(heldout[source]):
            first.setdefault(folded(example.response), place)
        places = [place for text, place in first.items() if text not in tuned]
    plain = {code: [own[place] for place in places] for code, own in heldout.items()}
    asked = plain | {code: recipe_examples(recipe, plain) for code, recipe in recipes.items()}
    lost: set[int] = set()
    for code in recipes:
        prompts = [folded(example.prompt) for example in asked[code]]
        counts = collections.Counter(prompts)
        lost.update(number for number, text in enumerate(prompts) if counts[text] > 1)
        asked[code] = tuple(map(crosslingual, asked[code]))
    if len(lost) == len(places):
        raise UserError(
            f"config.evaluate.recipe={named!r}: no held-out prompt is left: each is like another, "
            f"or of a response in {source!r} that is tuned on; set it to '', or hold out others"
        )
    return {
        code: tuple(one for number, one in enumerate(own) if number not in lost)
        for code, own in asked.items()
    }


def recipe_examples(recipe: Recipe, parallel: ByLanguage) -> tuple[Example, ...]:
    """Returns one example for each of the parallel ones, with their ids in their order.

    Raises:
      UserError: the two languages do not have the same ids in the same order, or an example lacks
        the text that the recipe is about.
    """
    source, target = (list(parallel[code]) for code in (recipe.source, recipe.target))
    if [example.id for example in source] != [example.id for example in target]:
        raise UserError(
            f"the recipe {recipe.name!r} needs parallel examples, but {recipe.source!r} and "
            f"{recipe.target!r} differ in their ids or in the order of them"
        )
    part = "response" if recipe.kind == "translation" else "prompt"
    for example in (*source, *target):
        if example.turns:
            raise UserError(
                f"the recipe {recipe.name!r} is of examples of one turn, and {example.id!r} has "
                "several; use '?turns=first', or leave the recipe out of the config"
            )
        if is_blank(getattr(example, part)):
            raise UserError(
                f"the recipe {recipe.name!r} needs a {part} in every example, and {example.id!r} "
                f"has none in {example.language!r}; leave it out of the config"
            )
    return tuple(map(RECIPES[recipe.kind], source, target))


def translation(source: Example, target: Example) -> Example:
    """Returns the instruction to translate a response, and its translation.

    Source: arXiv 2305.15083, finetuning with translation instructions.
    """
    return dataclasses.replace(target, prompt=_translate(source, target, source.response))


def question_translation(source: Example, target: Example) -> Example:
    """Returns the instruction to translate a question; no answer is used, in either language.

    Source: arXiv 2405.13816, translated questions alone.
    """
    prompt = _translate(source, target, source.prompt)
    return dataclasses.replace(
        target, prompt=prompt, response=target.prompt, answer="", english_answer=False
    )


def cross_lingual(source: Example, target: Example) -> Example:
    """Returns a question in one language that asks for the answer in the other, and that answer.

    Source: arXiv 2103.13309, cross-lingual and code-switched prompts.
    """
    line = _phrase("answer_in", source, target)
    return dataclasses.replace(target, prompt=f"{source.prompt}\n\n{line}")


def code_switched(source: Example, target: Example) -> Example:
    """Returns the question in both languages at once, and the answer in the second of them.

    Where both have the same number of sentences, and at least two, the sentences alternate;
    otherwise the language changes once, at the word boundary nearest the middle. Half of the ids
    begin with either language.

    Source: arXiv 2103.13309, cross-lingual and code-switched prompts.
    """
    texts = [source.prompt, target.prompt]
    if _draw("begin", source.id, 2):
        texts.reverse()
    first, second = map(_sentences, texts)
    if len(first) == len(second) > 1:
        turns = zip(first, second, strict=True)
        parts = [pair[turn % 2] for turn, pair in enumerate(turns)]
    else:
        parts = [_halves(texts[0])[0], _halves(texts[1])[1]]
    return dataclasses.replace(target, prompt=_joined(parts))


RECIPES: dict[str, Callable[[Example, Example], Example]] = {
    "translation": translation,
    "question_translation": question_translation,
    "cross_lingual": cross_lingual,
    "code_switched": code_switched,
}


def _translate(source: Example, target: Example, text: str) -> str:
    return f"{_phrase('translate', source, target)}\n\n{text}"


def _phrase(kind: str, source: Example, target: Example) -> str:
    """Returns an instruction in the source's language that names the target's."""
    if source.language not in _phrases():
        raise UserError(
            f"config.mixture.recipes: nobody has written the phrases of {kind!r} in "
            f"{source.language!r}, only in {sorted(_phrases())}; add them to {PHRASES.name}"
        )
    templates = _phrases()[source.language][kind]
    template = templates[_draw(kind, source.id, len(templates))]
    return template.format(language=_named(target.language, source.language))


def _named(code: str, among: str) -> str:
    """Returns what a language is called in another; "Serbian (Latin)" where the whole has no name.

    Raises:
      UserError: CLDR does not say it.
    """
    known, (base, *rest) = names(among), code.split("-")
    if whole := known["language"].get(code.replace("-", "_")):
        return whole
    try:
        told = [known["script" if len(part) == 4 else "territory"][part] for part in rest]
        return f"{known['language'][base]} ({', '.join(told)})"
    except KeyError as missing:
        raise UserError(
            f"config.mixture.recipes: CLDR has no name for {missing} of {code!r} in {among!r}; "
            "take another source, or leave the recipe out"
        ) from None


@functools.cache
def _phrases() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return json.loads(PHRASES.read_text(encoding="utf-8"))


def _draw(purpose: str, id: str, among: int) -> int:
    """Returns a number below `among` that depends on the purpose and the id alone."""
    digest = hashlib.sha256(f"recipe {purpose}:{id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % among


def _sentences(text: str) -> list[str]:
    """Returns the sentences of a text, each with the space that follows it."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    parts = (text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True))
    return [part for part in parts if part.strip()]


def _halves(text: str) -> tuple[str, str]:
    """Returns a text in two, cut at the word boundary nearest its middle; one word is both."""
    text = text.strip()
    cuts = [begin for begin, _ in words(text) if begin]
    if not cuts:
        return text, text
    cut = min(cuts, key=lambda place: abs(2 * place - len(text)))
    return text[:cut], text[cut:]


def _joined(parts: Sequence[str]) -> str:
    """Returns the parts end to end, with a space where none has come with them."""
    return "".join(part if part[-1].isspace() else f"{part} " for part in parts).rstrip()
