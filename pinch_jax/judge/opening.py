"""From the name of a judge to the judge itself, once somebody agrees to what it costs."""

from collections.abc import Callable, Iterable
from pathlib import Path

from pinch_jax.corpus.language_id import StudyWords
from pinch_jax.devices.sharding import Shard
from pinch_jax.errors import UserError
from pinch_jax.hosts.waiting import primary_alone
from pinch_jax.judge.config import JudgeConfig
from pinch_jax.judge.gate import LanguageGate
from pinch_jax.judge.prompt import read_wording
from pinch_jax.judge.protocol import Judge, Pair
from pinch_jax.judge.reference import ReferenceJudge


def open_judge(
    name: str, config: JudgeConfig, words: StudyWords, shard: Shard, cache: Path
) -> Judge:
    """Returns the judge of config.judges.NAME; a model's weights are loaded once it is asked.

    `words` are what is known of the languages of what it judges; `cache` is a file in which a
    service's answers may be kept, which are paid for.

    Raises:
        UserError: there is no such model, template or service, or it cannot judge.
    """
    if config.kind == "reference":
        return ReferenceJudge(words)
    field = f"config.judges.{name}"
    wording = read_wording(config.template, config.prompt_language, field)
    if config.kind == "model":
        from pinch_jax.judge.model import ModelJudge
        from pinch_jax.model.source import open_model

        model = open_model(config.model, field=f"{field}.model")
        judge = ModelJudge(name, wording, model, shard, config.dtype)
    else:
        from pinch_jax.judge.api import ApiJudge

        judge = ApiJudge(name, config, wording, cache)
    return LanguageGate(judge, words) if config.language_gate else judge


def where_asked(config: JudgeConfig | None, doing: str, work: Callable[[], None]) -> None:
    """Does the work of a judge in all processes if it is a model on their mesh, or in the first.

    A service that several asked would be paid by each, where it has no verdict.
    """
    if config is not None and config.kind == "model":
        work()
    else:
        primary_alone(doing, work)


def agree_to_pay(judge: Judge, pairs: Iterable[Pair], yes: bool) -> None:
    """Says what it costs to judge pairs, where a judge is a service.

    Raises:
        UserError: it costs something, and nobody said `yes`.
    """
    cost = judge.cost(pairs) if hasattr(judge, "cost") else None
    if cost is None:
        return
    print(*cost.lines, sep="\n")
    if cost.price and not yes:
        raise UserError(
            f"judging by {judge.name} costs about {cost.price:,.2f}; to begin, add --yes"
        )
