"""The paper's eight findings and one's own, each held against this study by intervals alone.

A finding names one number, its 95 % interval, and in words the rule that decides. What the rule
does not settle is "cannot tell"; what lacks an experiment that could settle it is "not run".
"""

import math

from pinch_jax.evaluate.intervals import NOTHING
from pinch_jax.study.comparisons import Results
from pinch_jax.study.config import EXPERIMENTS
from pinch_jax.study.experiments.interface import NOT_RUN, Decision
from pinch_jax.study.experiments.registry import experiment, experiments_of
from pinch_jax.study.measures import NotRun, where_own_models
from pinch_jax.study.records import Finding


def findings_of(results: Results) -> list[Finding]:
    """Returns the paper's findings in its order, then those of experiments of one's own.

    There are none of the paper's where none of its experiments was run.
    """
    chosen = experiments_of(results.study)
    findings = []
    own = {name: held for name, held in chosen.items() if name not in EXPERIMENTS}
    paper = EXPERIMENTS if set(EXPERIMENTS) & set(chosen) else ()
    every = {name: experiment(name) for name in paper} | own
    claims = [(name, *of) for name, held in every.items() for of in held.findings]
    for number, (name, claim, rule) in enumerate(claims, 1):
        try:
            decision = rule(results)
        except NotRun as missing:
            decision = Decision(NOTHING, NOT_RUN, f"not run: {missing}")
        else:
            if claim.against_own:
                detail = decision.detail + where_own_models(results)
                decision = decision._replace(detail=detail)
        held = decision.number
        numbers = {"value": held.value, "low": held.low, "high": held.high}
        ends = {name: None if math.isnan(end) else end for name, end in numbers.items()}
        decided = {"number": number, "verdict": decision.verdict, "detail": decision.detail}
        said = {"claim": claim.claim, "unit": claim.unit + decision.of, "rule": claim.rule}
        findings.append(Finding(experiment=name, **said, **ends, **decided))
    return findings
