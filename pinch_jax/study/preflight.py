"""What is checked before the first step: that what is tuned on, asked and answered has room."""

from collections.abc import Iterable, Mapping

from pinch_jax.corpus.example import Example
from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.dropping import check_dropped, left_out_lines
from pinch_jax.errors import UserError
from pinch_jax.model.source import open_model
from pinch_jax.study.inputs import check_divisible
from pinch_jax.study.workbench import Workbench


def preflight(
    bench: Workbench, plans: Mapping[str, BatchPlan], answered: Iterable[str]
) -> list[str]:
    """Returns what is left out or cut short all the same, in lines for people.

    Args:
        bench: of the runs.
        plans: the batches of each tuning set, by its spec.
        answered: the languages that held-out prompts are answered in.

    Raises:
        UserError: a set, or the held-out responses of a language, lose more examples than
            config.batch.max_dropped_fraction, a prompt is too long to be answered, or the mesh
            cannot divide the model of a judge.
    """
    config = bench.config
    sets = {f"the tuning set {spec!r}": plan for spec, plan in plans.items()}
    for name in config.study.judges:
        if config.judges[name].kind == "model" and config.mesh.splits_parameters:
            field = f"config.judges.{name}.model"
            judge = open_model(config.judges[name].model, field=field)
            check_divisible(config.mesh, judge.decoder, f"{field}: ")
    check_dropped(sets, config.batch.max_dropped_fraction)
    heldout = {}
    if plans:
        losses = bench.heldout_loss.plans
        heldout = {f"the held-out set of {code!r}": plan for code, plan in losses.items()}
        check_dropped(heldout, config.batch.max_dropped_fraction)
    asked = {code: bench.corpus.prompts(code, config.evaluate.prompts) for code in answered}
    _check_prompts(bench, asked)
    lines = [
        f"{name}: {line}"
        for name, plan in (sets | heldout).items()
        for line in left_out_lines(plan)
    ]
    return lines + _cut_short(bench, asked)


def _check_prompts(bench: Workbench, asked: Mapping[str, Iterable[Example]]) -> None:
    room = bench.config.evaluate.prompt_tokens
    lengths = {
        (code, example.id): len(bench.renderer.prompt(example.asked))
        for code, some in asked.items()
        for example in some
    }
    if long := [key for key, length in lengths.items() if length > room]:
        code, id = max(long, key=lengths.__getitem__)
        raise UserError(
            f"config.evaluate.prompt_tokens={room}: {len(long)} of {len(lengths)} held-out prompts "
            f"are longer, {code} {id!r} most; set config.evaluate.prompt_tokens={lengths[code, id]}"
        )


def _cut_short(bench: Workbench, asked: Mapping[str, Iterable[Example]]) -> list[str]:
    """Returns in which languages no answer can be as long as some references."""
    room, lines = bench.config.evaluate.new_tokens, []
    for code, some in asked.items():
        told = [bench.renderer.example(e.asked, e.response) for e in some if e.response]
        lengths = [len(ids) - prompt for ids, prompt in told]
        if count := sum(length > room for length in lengths):
            lines.append(
                f"answers in {code!r} end after config.evaluate.new_tokens={room}; {count:,} of "
                f"{len(lengths):,} references are longer, the longest of {max(lengths):,} tokens"
            )
    return lines
