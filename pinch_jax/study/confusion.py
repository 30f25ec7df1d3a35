"""How far the answers of a study stay in the language asked for: confusion.csv.

The rates are the Language Confusion Benchmark's (evaluate/confusion.py), of each tuning set in each
of its languages and, where it has all, their mean. There is no word pass rate: a study has no list
of English words.
"""

import dataclasses
from collections.abc import Hashable, Mapping

from pinch_jax.corpus.lid import cannot_be_identified
from pinch_jax.errors import UserError
from pinch_jax.evaluate.confusion import check_answer, counted_lines
from pinch_jax.evaluate.intervals import Estimate, mean_of
from pinch_jax.study.comparisons import Results, slow

MEAN = "mean"
# Of fewer of the answers long enough to tell, nothing is told of any.
LEAST_COUNTED = 0.5

RATES = ("counted", "acc", "lpr")


@dataclasses.dataclass(frozen=True)
class Confusion:
    """A row of confusion.csv, in percent; intervals are over draws and prompts.

    Attributes:
        counted: of the answers, those with a line of five words or more.
        acc: of the lines of one that counts, those in the language; mean over the answers.
        lpr: line pass rate: of the answers that count, those with all lines in the language.
    """

    run: str
    spec: str
    language: str
    prompts: float
    counted: Estimate
    acc: Estimate
    lpr: Estimate


def confusion_rows(results: Results) -> tuple[Confusion, ...]:
    """Returns the rates of a study's answers; none where most answers are shorter than a line is.

    Languages that lid.176 does not know are left out, and those whose words need a library that is
    not there; the means are over the others.
    """
    codes = tuple(dict.fromkeys(code for _, code in results.answers))
    told = tuple(code for code in codes if not cannot_be_identified((code,)) and has_words(code))
    texts = [
        (record["response"], code)
        for (_, code), answers in results.answers.items()
        if code in told
        for record in answers.records.values()
    ]
    if sum(bool(counted_lines(*text)) for text in texts) <= LEAST_COUNTED * len(texts):
        return ()
    rates = {
        (run, code): rates_of(answers.records, code)
        for (run, code), answers in slow(
            results.answers.items(), "how far answers stay in their language", "file"
        )
        if code in told
    }
    rows = []
    for first, runs in results.draws.items():
        answered = [code for code in told if (first, code) in rates]
        means = {
            code: {name: results.mean([rates[run, code][name] for run in runs]) for name in RATES}
            for code in answered
        }
        whole = [code for code in results.study["languages"] if code in told]
        if whole and set(whole) <= set(answered):
            means[MEAN] = {name: mean_of(means[code][name] for code in whole) for name in RATES}
        spec = results.study["runs"][first]["spec"]
        for code, held in means.items():
            of = answered if code == MEAN else [code]
            size = max(len(results.answers[first, one].records) for one in of)
            estimates = (held[name].estimate() for name in RATES)
            rows.append(Confusion(first, spec, code, size, *estimates))
    return tuple(rows)


def has_words(code: str) -> bool:
    """Returns whether what parts a line of this language into words is there."""
    try:
        counted_lines("", code)
    except UserError:
        return False
    return True


def rates_of(
    records: Mapping[Hashable, Mapping[str, str]], code: str, field: str = "response"
) -> dict[str, dict[Hashable, float]]:
    """Returns rate -> {prompt: value} of what records in a language have in a field."""
    checked = {key: check_answer(one[field], code, None) for key, one in records.items()}
    counted = {key: held for key, held in checked.items() if held}
    return {
        "counted": {key: float(held is not None) for key, held in checked.items()},
        "acc": {key: held.share for key, held in counted.items()},
        "lpr": {key: float(held.share == 1) for key, held in counted.items()},
    }
