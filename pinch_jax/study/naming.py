"""Mixtures in words: what figures and tables call a tuning set."""

import collections
import re
from collections.abc import Iterable, Mapping

from pinch_jax.corpus.recipes import recipe_of
from pinch_jax.languages import language
from pinch_jax.study.config import PRETRAINED


def names_of(specs: Iterable[str], languages: Iterable[str], base: str) -> dict[str, str]:
    """Returns what each spec is called; two that would be called the same name their languages.

    `languages` are those of the study, and `base` the one that the others replace.
    """
    every = set(languages)
    words = {spec: _in_words(spec, every, base) for spec in specs}
    same = collections.Counter(words.values())
    longer = {
        spec: f"{told} ({spec.split(':')[-1].replace(',', ', ')})" if same[told] > 1 else told
        for spec, told in words.items()
    }
    same = collections.Counter(longer.values())
    return {spec: told if same[told] == 1 else spec for spec, told in longer.items()}


def _in_words(spec: str, every: set[str], base: str) -> str:
    """Returns a spec in words; one of a schedule says it best itself, but for two steps."""
    kind, *parts = spec.split(":")
    if steps := re.fullmatch(r"piecewise:([^@]+)\.\.([^@]+)@([\d.]+)", spec):
        first, second = (_in_words(step, every, base) for step in steps.groups()[:2])
        return f"{first}, then {second} from {100 * float(steps[3]):.3g} % on"
    if kind in ("disjoint", "parallel"):
        return f"{_in_words(':'.join(parts), every, base)}, {kind} content"
    if spec == PRETRAINED:
        return "not tuned"
    if kind == "monolingual":
        return language(parts[0]).name
    if kind == "uniform":
        codes = parts[0].split(",")
        named = _grouped(dict.fromkeys(codes, 1.0), every)
        return "all languages alike" if set(codes) == every else " + ".join(named)
    if kind == "weights" and re.fullmatch(r"[^=]+=[\d.]+(,[^=]+=[\d.]+)*", parts[0]):
        weights = {code: float(w) for code, w in (p.split("=") for p in parts[0].split(","))}
        named, total = _grouped(weights, every), sum(weights.values()) or 1
        return ", ".join(f"{name} {100 * weight / total:.3g} %" for name, weight in named.items())
    if kind == "pinch" and re.fullmatch(r"n?[\d.]+", parts[0]):
        codes = set(parts[1].split(",")) if len(parts) > 1 else every
        over = "all languages" if codes == every else f"{len(codes)} languages"
        if parts[0] == "0":
            return language(base).name
        if parts[0] == "100":
            return f"{over} alike"
        dose = f"{parts[0][1:]} examples" if parts[0][0] == "n" else f"{parts[0]} %"
        return f"{dose} over {over}"
    return spec


def _grouped(weights: Mapping[str, float], languages: set[str]) -> dict[str, float]:
    """Returns what each member weighs, those of a recipe from one language together as one."""
    found = {member: recipe_of(member, languages) for member in weights}
    alike = collections.defaultdict(list)
    for member, recipe in found.items():
        alike[(recipe.kind, recipe.source) if recipe else member].append(member)
    grouped = {}
    for members in alike.values():
        name, recipe = members[0], found[members[0]]
        if recipe:
            targets = ", ".join(found[member].target for member in members)
            name = f"{recipe.kind.replace('_', ' ')} {recipe.source} → {targets}"
        grouped[name] = sum(weights[member] for member in members)
    return grouped
