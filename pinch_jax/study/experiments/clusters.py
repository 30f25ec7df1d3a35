"""Clusters of languages by the model's own representations, and whether they predict transfer.

Source: Fan et al. (2021), arXiv 2109.00271.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.cluster.hierarchy

from pinch_jax.config import Config
from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.languages import UNKNOWN_FAMILY, language
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import Matrix
from pinch_jax.study.experiments.interface import (
    HOLDS,
    UNDECIDED,
    Arm,
    Claim,
    Decision,
    Experiment,
    Words,
    decide,
)
from pinch_jax.study.experiments.related import check_asked
from pinch_jax.study.measures import NotRun, cells_of, show
from pinch_jax.study.records import Records
from pinch_jax.study.similarity import (
    ALPHA,
    LEAST_LANGUAGES,
    clusters,
    pair_correlation,
    similarity,
    tree_of,
)

NAME = "clusters"
# Raised when the arithmetic of what is measured changes.
VERSION = 1
# Fewer prompts leave similarities to chance.
LEAST_PROMPTS = 16
HOW = (
    "Similarity is the debiased linear CKA of the untuned model's mean hidden states (last layer) "
    "for the same prompts in two languages. "
)
RULE = (
    "over pairs of languages, what each language has by itself in all its pairs taken off. Holds "
    "if the interval (other languages, by leaving out one at a time) lies above 0 and p, by naming "
    f"the languages anew, is below {ALPHA:g}; does not hold if the interval lies below 0."
)
FAMILIES = Claim(
    claim="Similarity of a model's representations of languages reflects linguistic similarity, "
    "among others that of families (arXiv 2109.00271).",
    unit="partial r of similarity and being of one family",
    rule=f"{HOW}r of it and of being of one family, {RULE}",
)
TRANSFER = Claim(
    claim="Languages whose representations are alike boost each other (arXiv 2109.00271).",
    unit="partial r of similarity and transfer",
    rule=f"{HOW}Transfer is the score of one's monolingual model in the other against the other's "
    f"own, mean of both ways. r of both, {RULE} The paper pre-trains a model for each cluster; "
    "here models are tuned.",
)


def arms(config: Config) -> list[Arm]:
    """Returns no comparisons; checks that prompts are in the languages that they are of."""
    check_asked(config, NAME)
    return []


def measure(bench: Any) -> tuple[Any, Callable[[], Any]]:
    """Returns what decides the similarities of the languages, and what computes them."""
    codes = bench.config.languages
    held = {code: {e.id: e for e in bench.prompts(code)} for code in codes}
    ids = [id for id in held[codes[0]] if all(id in of for of in held.values())]
    asked = {code: [bench.renderer.prompt(held[code][id].asked) for id in ids] for code in codes}
    # Imported here: it loads flax, which a page does without.
    from pinch_jax.evaluate.representations import representations

    def make() -> dict[str, Any]:
        found = {"languages": list(codes), "prompts": len(ids)}
        if len(ids) < LEAST_PROMPTS:
            return found
        dtype = bench.config.model.dtype
        texts = [ids for of in asked.values() for ids in of]
        states = representations(
            bench.decoder, bench.pretrained, texts, bench.mesh, bench.shard, dtype
        )
        alike = similarity(states.reshape(len(codes), len(ids), -1))
        rows = [[None if math.isnan(x) else round(x, 6) for x in row] for row in alike.tolist()]
        return found | {"similarity": rows}

    return [VERSION, asked], make


def similarities(study: Any) -> tuple[list[str], np.ndarray]:
    """Returns the languages and their similarities [L, L].

    Raises:
        NotRun: the study has none.
    """
    held = study.get("measured", {}).get(NAME, {}).get("is", {})
    if "similarity" not in held:
        raise NotRun(
            f"{LEAST_PROMPTS} or more held-out prompts with the same ids in all languages (there "
            f"are {held.get('prompts', 0)})"
        )
    alike = np.array(held["similarity"], float)
    if np.isnan(alike).any():
        raise NotRun("a model whose hidden states differ from prompt to prompt in every language")
    return held["languages"], alike


def of_pairs(study: Any) -> tuple[list[str], np.ndarray]:
    """Returns `similarities` of as many languages as pairs can be told of; else NotRun."""
    codes, alike = similarities(study)
    if len(codes) < LEAST_LANGUAGES:
        raise NotRun(f"{LEAST_LANGUAGES} languages or more")
    return codes, alike


def reflects_families(results: Results) -> Decision:
    """Decides by the correlation with being of one family; the detail names the clusters."""
    codes, alike = of_pairs(results.study)
    families = np.array([language(code).family for code in codes])
    same = ((families[:, None] == families) & (families != UNKNOWN_FAMILY)).astype(float)
    r = pair_correlation(alike, same)
    if math.isnan(r.value):
        raise NotRun("families of which several languages are there, beside others")
    return _decided(r, f"{told_clusters(codes, alike)} p = {r.p:.3f}.")


def predicts_transfer(results: Results) -> Decision:
    """Decides by the correlation with what monolingual models do in the other languages."""
    codes, alike = of_pairs(results.study)
    scores = {(e.arm["x"], e.language): e.score.value for e in cells_of(results, "monolingual")}
    own = [code for code in codes if any((code, other) in scores for other in codes)]
    pairs = [(a, b) for a in own for b in own if a != b]
    if len(own) < LEAST_LANGUAGES or not scores.keys() >= set(pairs):
        raise NotRun(f"monolingual models of {LEAST_LANGUAGES} languages or more")
    transfer = np.array([[scores.get((a, b), 0.0) for b in own] for a in own])
    places = [codes.index(code) for code in own]
    r = pair_correlation(alike[np.ix_(places, places)], (transfer + transfer.T) / 2)
    if math.isnan(r.value):
        raise NotRun("scores that differ from pair to pair")
    return _decided(r, f"p = {r.p:.3f}, over {len(pairs) // 2} pairs of {len(own)} languages.")


def _decided(r: Estimate, detail: str) -> Decision:
    verdict = decide((r, 0.0))
    return Decision(r, UNDECIDED if verdict == HOLDS and r.p >= ALPHA else verdict, detail)


def told_clusters(codes: list[str], alike: np.ndarray) -> str:
    """Returns the clusters in a sentence, or that there are none to be seen."""
    if len(codes) < LEAST_LANGUAGES:
        return f"Too few languages to tell clusters: it takes {LEAST_LANGUAGES}."
    found, p = clusters(alike)
    if found is None:
        return f"No clusters can be told from chance (p = {p:.3f})."
    groups: dict[int, list[str]] = {}
    for code, cluster in zip(codes, found, strict=True):
        groups.setdefault(int(cluster), []).append(language(code).name)
    return f"Clusters (p = {p:.3f}): {'; '.join(', '.join(of) for of in groups.values())}."


def sorted_similarities(records: Records) -> dict[tuple[str, str], float]:
    """Returns (language, language) -> similarity, in the order of the tree; empty without any."""
    try:
        codes, alike = similarities(records.study)
    except NotRun:
        return {}
    order = scipy.cluster.hierarchy.leaves_list(tree_of(alike)) if len(codes) > 1 else [0]
    return {(codes[a], codes[b]): float(alike[a, b]) for a in order for b in order}


def in_words(records: Records, experiment: str) -> str:
    """Says the clusters, which languages are most alike, and what that predicts."""
    codes, alike = similarities(records.study)
    told = [told_clusters(codes, alike)]
    pairs = [(x, a, b) for (a, b), x in sorted_similarities(records).items() if a < b]
    for what, (x, *pair) in (("Most alike", max(pairs)), ("Least", min(pairs))):
        told.append(f"{what}: {' and '.join(language(code).name for code in pair)}, {x:.2f}.")
    for claim, word in ((FAMILIES, "being of one family"), (TRANSFER, "transfer")):
        found = [f for f in records.findings if f.claim == claim.claim and f.value is not None]
        told += [f"Partial r with {word}: {show(f.estimate, 2)}." for f in found]
    return " ".join(told)


EXPERIMENT = Experiment(
    words=Words(
        short="Clusters",
        title="Languages that the model itself finds alike",
        lead="Does the untuned model lay out the same questions alike in two languages, do the "
        "languages form clusters so, and does a model tuned on one do better in those like it?",
        caption="A cell is the similarity of two languages in percent: debiased linear CKA of the "
        "untuned model's mean hidden states, last layer, for the same prompts; 100 is alike up to "
        "a rotation and a scale. Languages stand in the order of a hierarchical clustering by "
        "average linkage.",
        found="Similarity of representations reflects linguistic similarity, and languages of one "
        "cluster are supposed to boost each other.",
        source="arXiv 2109.00271, “Discovering Representation Sprachbund For Multilingual "
        "Pre-Training” (Fan et al., 2021)",
    ),
    findings=[(TRANSFER, predicts_transfer), (FAMILIES, reflects_families)],
    figure=Matrix("similarity (%)", sorted_similarities),
    result=in_words,
    arms=arms,
    measure=measure,
    needs=["monolingual"],
)
