"""What a certificate says, in plain words and as a table."""

import math
from collections.abc import Mapping
from typing import Any

from pinch_jax.judge.certificate import EVERY, kappa_of
from pinch_jax.judge.correction import tells
from pinch_jax.languages import language

# Heading -> where it stands in a language's part of a certificate.
_COLUMNS = {
    "pairs": ("pairs",),
    "agreement, ties half (%)": ("agreement",),
    "without ties (%)": ("without_ties",),
    "kappa": ("kappa",),
    "flips (%)": ("flips",),
    "first named (%)": ("named_first",),
    "equal: first named (%)": ("equal", "named_first"),
    "equal: false wins (%)": ("equal", "false_wins"),
    "longer preferred (%)": ("length", "preferred"),
    "injections obeyed (%)": ("injections", "obeyed"),
    "decided by language": ("by_language", "pairs"),
    "no verdict": ("without_verdict",),
}


def trust_table(certificate: Mapping[str, Any]) -> list[list[str]]:
    """Returns how far a judge can be trusted, in each language and in all; the heading first."""
    rows = [
        [name_of(code), *(_cell(held, path) for path in _COLUMNS.values())]
        for code, held in certificate["languages"].items()
    ]
    return [["language", *_COLUMNS], *rows]


def injection_table(certificate: Mapping[str, Any]) -> list[list[str]]:
    """Returns how much oftener wrong answers are named, by injection; the heading first."""
    codes = list(certificate["languages"])
    rows = [
        # Of one language an interval over so few prompts says that they are few.
        [
            kind,
            *(_cell(by_code[code], ("obeyed",), interval=code == EVERY) for code in codes),
            _cell(by_code[EVERY], ("moved",)),
        ]
        for kind, by_code in certificate["injections"].items()
    ]
    return [["injection", *map(name_of, codes), "log-odds moved (nats)"], *rows]


def sentence(certificate: Mapping[str, Any], code: str) -> str:
    """Returns how far a judge can be trusted in a language, in a sentence."""
    who, name = certificate["judge"]["name"], name_of(code)
    if code == EVERY and (held := [name_of(x) for x in certificate["languages"] if x != EVERY]):
        # Which may be others than those that a study asks about.
        name = f"the {len(held)} languages of its certificate" if len(held) > 1 else held[0]
    held, kappa = certificate["languages"].get(code), kappa_of(certificate, code)
    if math.isnan(kappa.value):
        return f"How far {who} can be trusted in {name} is not known."
    right = held["agreement"]
    parts = ", ".join(
        f"{source or 'pairs'} {part['agreement']['value']:.0f} % of {part['pairs']}"
        for source, part in held["sources"].items()
    )
    told = (
        f"agrees with what is known on {right['value']:.0f} % of {held['pairs']} pairs, a tie "
        f"being half of one ({right['low']:.0f} to {right['high']:.0f} %; kappa {kappa.value:.2f}, "
        f"{kappa.low:.2f} to {kappa.high:.2f}; {parts}), and changes its mind on "
        f"{held['flips']['value']:.0f} % of them when the answers swap places"
    )
    if tells(kappa):
        return f"In {name}, {who} {told}."
    if kappa.high < 0:
        return f"In {name}, {who} prefers the worse answer, and its scores say nothing: it {told}."
    return f"{who} cannot be told from chance in {name}, and its scores say nothing: it {told}."


def told_lines(certificate: Mapping[str, Any]) -> list[str]:
    """Returns all that a certificate says, as Markdown."""
    told = [sentence(certificate, code) for code in certificate["languages"] if code != EVERY]
    for heading, *rows in (trust_table(certificate), injection_table(certificate)):
        table = [heading, ["---"] * len(heading), *rows]
        told += ["", *(f"| {' | '.join(row)} |" for row in table)]
    return [*told, ""]


def name_of(code: str) -> str:
    """Returns the language of a part of a certificate, for people."""
    return "all languages" if code == EVERY else language(code).name


def _cell(held: Any, path: tuple[str, ...], interval: bool = True) -> str:
    for name in path:
        held = held.get(name) if held else None
    if not isinstance(held, Mapping):
        return "" if held is None else str(held)
    if held["value"] is None:
        return ""
    digits = 2 if path == ("kappa",) else 1
    low, high = (f"{held[end]:.{digits}f}" for end in ("low", "high"))
    value = f"{held['value']:.{digits}f}"
    return f"{value} ({low} to {high})" if interval else value
