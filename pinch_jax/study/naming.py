"""Mixtures in words: what figures and tables call a tuning set."""

import collections
import re
from collections.abc import Iterable

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
    """Returns a spec in words; one of a schedule says it best itself."""
    kind, *parts = spec.split(":")
    if spec == PRETRAINED:
        return "not tuned"
    if kind == "monolingual":
        return language(parts[0]).name
    if kind == "uniform":
        codes = parts[0].split(",")
        return "all languages alike" if set(codes) == every else " + ".join(codes)
    if kind == "weights" and re.fullmatch(r"[^=]+=[\d.]+(,[^=]+=[\d.]+)*", parts[0]):
        weights = [part.split("=") for part in parts[0].split(",")]
        total = sum(float(weight) for _, weight in weights) or 1
        return ", ".join(f"{code} {100 * float(w) / total:.3g} %" for code, w in weights)
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
