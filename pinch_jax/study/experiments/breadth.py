"""How many tuning languages: the budget over one, two, three and more of them.

Source: Shaham et al. (2024), arXiv 2401.01854, section 3.4.
"""

from pinch_jax.config import Config
from pinch_jax.study.comparisons import Results
from pinch_jax.study.experiments.figure import Curve
from pinch_jax.study.experiments.interface import (
    BANDS,
    Arm,
    Beside,
    Claim,
    Decision,
    Experiment,
    Words,
    decide,
    own_models,
    uniform_spec,
)
from pinch_jax.study.experiments.pinch import OWN_MODEL
from pinch_jax.study.experiments.unseen import unseen_languages
from pinch_jax.study.measures import NotRun, entries_of, mean_of_orders, show
from pinch_jax.study.records import Records
from pinch_jax.study.rows import ALL_ORDERS, Score, score_row

BREADTH = Claim(
    claim="The mean over unseen languages rises from 1 to 2, 3 and 4 tuning languages, to almost "
    "50, then saturates.",
    unit="points from 1 to 4 tuning languages, mean of the unseen languages",
    rule="Means over the orders of adding languages: the rise from 1 to 4, and that a language "
    "beyond 4 adds, or takes away, less than half of what one up to 4 adds (the half is ours). "
    "Holds if the intervals of the rise, of that half less what one beyond adds, and of that half "
    "and it lie above 0; does not hold if any lies below. What the mean is at 4 decides nothing.",
    against_own=True,
)


def arms(config: Config) -> list[Arm]:
    """Returns an even split over one more language at a time, in several orders."""
    unseen = unseen_languages(config, "breadth")
    arms = []
    for number, order in enumerate(config.study.breadth_orders, 1):
        for count in range(1, len(order) + 1):
            # The set does not depend on the order in which its languages came.
            tuned = [code for code in config.languages if code in order[:count]]
            baselines = own_models(unseen)
            arms.append(Arm("breadth", uniform_spec(tuned), count, f"order {number}", baselines))
    return arms


def saturates(results: Results) -> Decision:
    """Decides by the means over the orders: a rise up to 4 languages, and little change beyond."""
    found = entries_of(results, "breadth", "mean_unseen")
    points, of = mean_of_orders(found), f" ({len(found[0].languages)} of them)"
    most = max(points)
    if not {1, 4} <= points.keys() or most == 4:
        raise NotRun("breadth with 1, 4 and more languages")
    rise, late = points[4] - points[1], (points[most] - points[4]) / (most - 4)
    # Half of what a language up to 4 adds, less what one beyond adds, and less what it takes away.
    rest = [(rise / 6 - late / sign).estimate() for sign in (1, -1)]
    curve = ", ".join(f"{x}: {show(point)}" for x, point in points.items())
    detail = (
        f"By number of languages: {curve}. A language beyond 4 adds {show(late)}; half of what one "
        f"up to 4 adds, less that: {show(rest[0])}, and with that: {show(rest[1])}."
    )
    verdict = decide(*((number, 0) for number in (rise.estimate(), *rest)))
    return Decision(rise.estimate(), verdict, detail, of)


def rows_over_orders(results: Results) -> list[Score]:
    """Returns the means over the orders of adding languages as rows of scores.csv."""
    means = mean_of_orders(results.find("breadth", "mean_unseen"))
    return [
        score_row(mean.estimate(), "breadth", series=ALL_ORDERS, x=str(x), language="mean_unseen")
        for x, mean in means.items()
    ]


def over_orders(records: Records, experiment: str) -> dict[int, Score]:
    """Returns number of tuning languages -> mean of the unseen ones over the orders."""
    rows = records.experiment(experiment, "mean_unseen")
    means = {int(float(row.x)): row for row in rows if row.series == ALL_ORDERS}
    return dict(sorted(means.items()))


def more_languages(records: Records, experiment: str) -> str:
    """Says the mean of the unseen languages at the least and the largest number of languages."""
    means = over_orders(records, experiment)
    least, most = min(means), max(means)
    languages = "one tuning language" if least == 1 else f"{least} tuning languages"
    return (
        f"The unseen languages score {show(means[least].score)} with {languages} and "
        f"{show(means[most].score)} with {most}, mean of the orders."
    )


def beside(records: Records, experiment: str) -> list[Beside]:
    """Returns the mean of the unseen languages at four tuning languages."""
    means = over_orders(records, experiment)
    what = "mean of the unseen languages with 4 tuning languages"
    return [Beside(what, "almost 50", show(means[4].score))] if 4 in means else []


EXPERIMENT = Experiment(
    words=Words(
        short="Breadth",
        title="How many tuning languages",
        paper="Figure 5",
        lead="A fixed number of examples is split evenly over one, two, three … languages. How do "
        "the unseen languages change with the number of languages?",
        caption="A thin line is an unseen language, mean of the orders in which languages were "
        "added. A point is the mean of the unseen languages in one order. " + BANDS,
        found="The unseen languages rise up to 4 tuning languages, to almost 50, then stay.",
    ),
    arms=arms,
    means=("mean_unseen",),
    findings=[(BREADTH, saturates)],
    figure=Curve(
        "number of tuning languages",
        {"mean_unseen": "mean of the unseen languages"},
        baseline=OWN_MODEL,
        dots="one order of adding languages",
    ),
    result=more_languages,
    rows=rows_over_orders,
    beside=beside,
)
