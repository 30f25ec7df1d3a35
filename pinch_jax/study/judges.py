"""What each judge of a study says, beside each other: its scores, and how far two judges agree.

judges.csv and agreement.csv have no rows where the references alone judged, without a certificate.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinch_jax.corpus.fertility import Tokenizer
from pinch_jax.evaluate.intervals import EVEN, NOTHING, Estimate, Mean, mean_by_prompt, mean_of
from pinch_jax.evaluate.records import own_texts
from pinch_jax.judge.certificate import EVERY, kappa_of
from pinch_jax.judge.correction import corrected, tells, with_decided
from pinch_jax.judge.length import length_controlled, length_of, usual_tokens
from pinch_jax.storage.folders import is_there
from pinch_jax.study.comparisons import Comparison, Results, Scored, compared, slow
from pinch_jax.study.rows import Agreement, JudgeScore
from pinch_jax.study.workdir import TOKENIZER
from pinch_jax.text.tokenizer import load_tokenizer

OUTCOMES = (0.0, 0.5, 1.0)


def judge_rows(results: Results, workdir: Path) -> tuple[JudgeScore, ...]:
    """Returns the rows of judges.csv; to the reference judge, no length counts."""
    judges = results.study["judges"]
    if all(judge["kind"] == "reference" and not judge.get("certificate") for judge in judges):
        return ()
    tokenizer = _tokenizer(workdir, results.study)
    lengths = _lengths(results, tokenizer) if tokenizer else {}
    rows = []
    for judge in judges:
        scored = results.judged[judge["as"]].scored
        fair: dict[int, Mean] = {}
        if lengths and judge["kind"] != "reference":
            fair = _length_controlled(results, judge["as"], lengths)
        for entry in scored:
            equal = fair.get(id(entry))
            if not entry.is_itself:
                row = JudgeScore(
                    **entry.named,
                    judge=judge["as"],
                    verdicts=len(entry.values),
                    score=entry.score.estimate(),
                    score_by_probability=entry.probability,
                    score_corrected=_corrected(results, judge, entry),
                    score_of_equal_length=equal.estimate() if equal else NOTHING,
                )
                rows.append(row)
    return tuple(rows)


def _corrected(results: Results, judge: Mapping[str, Any], entry: Scored) -> Estimate:
    """Returns a score without the errors of a judge; what language decided holds none.

    A mean over languages is that of the languages, each without the errors that are made in it, and
    is nothing where the judge cannot be told from chance, or was not certified, in one of them. Its
    ends are the means of the languages' ends, as if all erred together: they share prompts.
    """
    certificate = judge.get("certificate")
    if not certificate or not all(tells(kappa_of(certificate, x)) for x in entry.languages):
        return NOTHING
    judged, cells = results.judged[judge["as"]], []
    for code in entry.languages:
        pairs = compared(entry.arm, code)
        if all(pair.is_itself for pair in pairs):
            cells.append(Estimate(EVEN, EVEN, EVEN))
            continue
        parts: list[list[dict[str, float]]] = [[], []]
        for pair in pairs:
            if held := judged.outcomes.get(pair, {}):
                decided = judged.by_language[pair]
                for part, of in enumerate(parts):
                    of.append({i: v for i, v in held.items() if (i in decided) == part})
        if len(parts[0]) < min(2, len(pairs)):
            return NOTHING
        sizes = np.array([[*map(len, of)] for of in parts], float)
        shares = sizes / sizes.sum(axis=0)
        told, by_language = (
            _weighted(results, *each).estimate() if any(each[0]) else NOTHING
            for each in zip(parts, shares, strict=True)
        )
        size = len({identity for of in parts for draw in of for identity in draw})
        fair = corrected(told, kappa_of(certificate, code))
        cells.append(with_decided(fair, by_language, float(shares[1].mean()), size))
    ends = zip(*(cell.numbers for cell in cells), strict=True)
    return Estimate(*map(np.mean, ends)) if cells else NOTHING


def _weighted(results: Results, draws: Sequence[Mapping[str, float]], shares: np.ndarray) -> Mean:
    """Returns the mean of a part of each draw, with the weight that it has in its draw."""
    kept = [(held, share) for held, share in zip(draws, shares.tolist(), strict=True) if held]
    means, weights = np.array([(np.mean([*held.values()]), share) for held, share in kept]).T
    weights = weights / weights.mean()
    centre = float(np.mean(weights * means))
    moved = [
        {i: centre + weight * (value - centre) for i, value in held.items()}
        for (held, _), weight in zip(kept, weights.tolist(), strict=True)
    ]
    return results.mean(moved)


def _tokenizer(workdir: Path, study: Mapping[str, Any]) -> Tokenizer | None:
    """Returns the study's, in older ones that of a run that was tuned; None where there is none."""
    folders = [workdir / TOKENIZER, *(workdir / "runs" / run / "model" for run in study["runs"])]
    return next((load_tokenizer(folder) for folder in folders if is_there(folder)), None)


def _lengths(results: Results, tokenizer: Tokenizer) -> dict[tuple[str, str], dict[str, float]]:
    """Returns (run, language) -> prompt id -> tokens of the response, in usual texts.

    How many tokens a text usually has in a language, its prompts say, which are parallel; where
    they are in another language, its references.
    """
    asked = {
        code: {i: own_texts(record)[-1] or record["prompt"] for i, record in of.items()}
        for code, of in results.asked.items()
    }
    common = set.intersection(*({*held} for held in asked.values())) or None
    texts = {
        code: [text for i, text in held.items() if common is None or i in common]
        for code, held in asked.items()
    }
    usual = usual_tokens(texts, tokenizer)
    return {
        key: {
            identity: length_of(record["response"], usual[key[1]], tokenizer)
            for identity, record in answers.records.items()
        }
        for key, answers in slow(results.answers.items(), "counting tokens", "file")
    }


def _length_controlled(
    results: Results, judge: str, lengths: Mapping[tuple[str, str], Mapping[str, float]]
) -> dict[int, Mean]:
    """Returns the means of the scores of a judge, by id of the score, at equal lengths.

    A slope is of all that a tuning set is held against, in whatever experiments: a comparison has
    one number wherever it is shown.
    """
    judged = results.judged[judge]
    alone = [entry for entry in judged.scored if not entry.is_mean]
    means: dict[tuple[Comparison, ...], Mean] = {}
    sets: dict[tuple[str, ...], dict[tuple[Comparison, ...], None]] = {}
    for entry in alone:
        draws = compared(entry.arm, entry.language)
        if entry.is_itself:
            means[draws] = entry.score
        else:
            sets.setdefault(tuple(pair.run for pair in draws), {})[draws] = None

    def table(of: Callable[[Comparison], Mapping[str, float]], columns: Iterable) -> np.ndarray:
        """Returns what there is of each prompt: float64 [draw, prompt, comparison]."""
        held = [
            [[of(pair).get(identity, math.nan) for identity in results.prompts] for pair in draws]
            for draws in columns
        ]
        return np.array(held).transpose(1, 2, 0)

    for columns in sets.values():
        values = table(lambda pair: judged.outcomes.get(pair, {}), columns)
        apart = table(lambda pair: _differences(lengths, pair), columns)
        fitted = length_controlled(100 * values, np.where(np.isnan(values), np.nan, apart))
        means |= zip(columns, fitted, strict=True)
    fair: dict[int, Mean] = {}
    for entry in judged.scored:
        of = [compared(entry.arm, code) for code in entry.languages]
        if of and all(draws in means for draws in of):
            held = [means[draws] for draws in of]
            fair[id(entry)] = mean_of(held) if entry.is_mean else held[0]
    return fair


def _differences(
    lengths: Mapping[tuple[str, str], Mapping[str, float]], pair: Comparison
) -> dict[str, float]:
    candidate, baseline = (lengths[run, pair.language] for run in (pair.run, pair.baseline_run))
    return {identity: candidate[identity] - baseline[identity] for identity in candidate}


def agreement_rows(results: Results) -> tuple[Agreement, ...]:
    """Returns the rows of agreement.csv: each two judges, in each language and in all.

    What language decided for either, before it was asked, says nothing of it, and is left out.
    """
    rows = []
    for one, other in itertools.combinations(results.judged, 2):
        held = {}
        ours, others = results.judged[one], results.judged[other]
        for pair, outcomes in ours.outcomes.items():
            theirs = others.outcomes[pair]
            decided = ours.by_language[pair] | others.by_language[pair]
            asked = (outcomes.keys() & theirs.keys()) - decided
            both = [(i, mine, theirs[i]) for i, mine in outcomes.items() if i in asked]
            held.setdefault(pair.language, []).extend(both)
        held[EVERY] = [told for some in held.values() for told in some]
        rows += [Agreement(one, other, code, *_agreement(told)) for code, told in held.items()]
    return tuple(rows)


def _agreement(told: Sequence[tuple[str, float, float]]) -> tuple[float, Estimate, Estimate]:
    """Returns how many outcomes two judges gave, the percent that are the same, and kappa.

    Win, tie and loss are three categories; all outcomes of a prompt are one observation.

    The interval of kappa is that of the percent, as far as chance is known from the outcomes.

    Source: Cohen (1960), A Coefficient of Agreement for Nominal Scales.
    """
    same = 100.0 * np.array([mine == theirs for _, mine, theirs in told], np.float64)
    raw, size = mean_by_prompt(same, [i for i, *_ in told]).estimate(), max(len(told), 1)
    counts = np.zeros((3, 3))
    for _, mine, theirs in told:
        counts[OUTCOMES.index(mine), OUTCOMES.index(theirs)] += 1
    shares = counts / size
    chance = float(shares.sum(axis=1) @ shares.sum(axis=0))
    # Where both always say the same one thing, chance alone would agree.
    room = 1 - chance if chance < 1 else math.nan
    # With other shares of the three than these, chance would be another: kappa is -1 or more.
    kappa = np.maximum((np.array(raw.numbers) / 100 - chance) / room, -1.0)
    return float(len(told)), raw, Estimate(*kappa.tolist())
