"""Which k languages to tune on, by "typology", "family", "script" or at "random".

Every strategy grows one order from the base language, so the languages for k are among those for
k + 1. Nothing in it is rounded: the order is the same on every machine.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from pinch_jax.data.order import shuffled
from pinch_jax.errors import UserError
from pinch_jax.languages import UNKNOWN_FAMILY, language


def select_languages(
    strategy: str, k: int, languages: Sequence[str], base: str, seed: int
) -> tuple[str, ...]:
    """Returns k of `languages`, the base first, in the order in which the strategy takes them.

    "typology" takes the language farthest from all that it has (`by_typology`). "family" and
    "script" take one of the family or script that was taken least often so far. "random" is drawn
    by `seed`, and so is who comes first in a tie; the order of `languages` decides nothing.

    Raises:
      UserError: there are not k languages, the base is not among them, or what the strategy goes
        by is not known of a language or not installed.
    """
    if base not in languages:
        raise UserError(
            f"config.mixture.base={base!r}: a selection begins with it, but it is not in "
            f"config.languages={list(languages)}; add it there"
        )
    if not 1 <= k <= len(languages):
        raise UserError(
            f"config.mixture.spec: cannot select {k} of the {len(languages)} languages in "
            f"config.languages; select 1 to {len(languages)}, or add languages there"
        )
    others = shuffled((code for code in languages if code != base), seed, "selection")
    return STRATEGIES[strategy](base, others)[:k]


def by_typology(base: str, others: Sequence[str]) -> tuple[str, ...]:
    """Returns the base, then each time the language whose nearest one so far is farthest from it.

    The distance is the cosine distance of the languages' vectors (`uriel_vectors`).

    Source: choosing tuning languages by typological distance is arXiv 2410.07809's; the rule is
    farthest-first traversal, Gonzalez (1985), "Clustering to minimize the maximum intercluster
    distance".
    """
    codes = [base, *others]
    vectors = uriel_vectors(codes)
    products = (vectors @ vectors.T).tolist()

    def closeness(i: int, j: int) -> Fraction:
        # The square of the cosine, exactly: vectors of 0 and 1 have whole numbers as products.
        return Fraction(products[i][j] ** 2, products[i][i] * products[j][j])

    taken, left = [0], list(range(1, len(codes)))
    nearest = {i: closeness(i, 0) for i in left}
    while left:
        farthest = min(left, key=nearest.__getitem__)
        left.remove(farthest)
        taken.append(farthest)
        nearest = {i: max(nearest[i], closeness(i, farthest)) for i in left}
    return tuple(codes[i] for i in taken)


def by_group(kind: str, base: str, others: Sequence[str]) -> tuple[str, ...]:
    """Returns the base, then each time one of the family, or script, with the fewest so far.

    Raises:
      UserError: the family of a language is unknown.
    """
    groups = {code: getattr(language(code), kind) for code in (base, *others)}
    unknown = [code for code, group in groups.items() if group == UNKNOWN_FAMILY]
    if kind == "family" and unknown:
        raise UserError(
            f"config.languages: the family of {unknown[0]!r} is not known; leave it out, or select "
            "by script, by typology, at random or by hand"
        )
    taken, left = [base], list(others)
    counts = Counter([groups[base]])
    while left:
        rarest = min(left, key=lambda code: counts[groups[code]])
        left.remove(rarest)
        taken.append(rarest)
        counts[groups[rarest]] += 1
    return tuple(taken)


STRATEGIES: dict[str, Callable[[str, Sequence[str]], tuple[str, ...]]] = {
    "typology": by_typology,
    "family": functools.partial(by_group, "family"),
    "script": functools.partial(by_group, "script"),
    "random": lambda base, others: (base, *others),
}


def uriel_vectors(languages: Sequence[str]) -> np.ndarray:
    """Returns URIEL's features of syntax, int64 [languages, 103], each 0 or 1.

    They are the set "syntax_knn", without a gap: what its sources do not say, URIEL's authors
    predicted from the nearest languages. Sounds are left out: the models read text. The file comes
    with lang2vec 1.1.2, whose code is not imported: it needs `pkg_resources`, which setuptools has
    dropped. urielplus has the sources alone, and gaps.

    Source: Littell et al. (2017), "URIEL and lang2vec: representing languages as typological,
    geographical, and phylogenetic vectors".

    Raises:
      UserError: lang2vec is not installed, or URIEL does not know a language.
    """
    codes, features, known = _uriel()
    # It knows languages alone, by ISO 639-3: no scripts or territories.
    bases = {code: language(code).base for code in languages}
    names = {code: codes.get(base, base) for code, base in bases.items()}
    unknown = [code for code in languages if names[code] not in known]
    if unknown:
        raise UserError(
            f"config.languages: URIEL has no language {unknown[0]!r}; leave it out, or select "
            "by family, by script, at random or by hand"
        )
    return features[[known[names[code]] for code in languages]]


@functools.cache
def _uriel() -> tuple[dict[str, str], np.ndarray, dict[str, int]]:
    """Returns ISO 639-1 to ISO 639-3, the features, and the row of each ISO 639-3 code in them."""
    try:
        # Not `importlib.resources`: beside an installed command, `lang2vec` is a script.
        folder = Path(distribution("lang2vec").locate_file("lang2vec/data"))
    except PackageNotFoundError:
        raise UserError(
            "config.mixture.spec: typology needs URIEL; pip install 'pinch_jax[typology]'"
        ) from None
    codes = json.loads((folder / "letter_codes.json").read_text(encoding="utf-8"))
    with np.load(folder / "feature_predictions.npz") as arrays:
        syntax = [name.startswith("S_") for name in arrays["feats"].tolist()]
        features = arrays["data"][:, syntax, 0].astype(np.int64)
        rows = {code: row for row, code in enumerate(arrays["langs"].tolist())}
    return codes, features, rows
