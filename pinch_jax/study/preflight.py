"""What is checked before the first step: that what is tuned on, asked and answered has room."""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from pinch_jax.corpus.duplicates import folded
from pinch_jax.corpus.example import Example
from pinch_jax.corpus.language_id import StudyWords
from pinch_jax.data.batches import BatchPlan
from pinch_jax.data.dropping import check_dropped, left_out_lines
from pinch_jax.errors import UserError
from pinch_jax.evaluate.outcome import classify
from pinch_jax.model.source import open_model
from pinch_jax.study.inputs import check_divisible
from pinch_jax.study.judging import words_of
from pinch_jax.study.workbench import Workbench

# Of fewer, what is known to be in another language may be known wrongly.
_MANY = 0.05
# Training examples of a language that are read for it.
_READ = 200


def preflight(
    bench: Workbench, plans: Mapping[str, BatchPlan], answered: Iterable[str]
) -> list[str]:
    """Returns what is left out or cut short all the same, in lines for people.

    `plans` are the batches of each tuning set, by its spec; `answered` are the languages that
    held-out prompts are answered in.

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
    asked = {code: bench.prompts(code) for code in answered}
    _check_prompts(bench, asked)
    lines = [
        f"{name}: {line}"
        for name, plan in (sets | heldout).items()
        for line in left_out_lines(plan)
    ]
    told = {f"references in {code!r}": some for code, some in asked.items()}
    told |= {f"training responses in {c!r}": bench.corpus.train.get(c, ())[:_READ] for c in asked}
    words = words_of(asked)
    lines += [line for name, some in told.items() for line in _foreign_lines(name, some, words)]
    if more := sorted({*bench.corpus.made_in} - {*bench.languages}):
        lines.append(
            f"the corpus in {config.corpus.directory} was built in {', '.join(more)} too: it has "
            "what is in all its languages, which may be less than in those of this config; under "
            "another config.corpus.name it is built in these alone"
        )
    return [*lines, *_repeated(asked), *_unknown(bench), *_cut_short(bench, asked)]


def _unknown(bench: Workbench) -> Iterator[str]:
    """Yields in which members examples have characters that the tokenizer does not know."""
    tokenizer, found = bench.renderer.tokenizer, []
    for name, own in bench.tokenized.languages.items():
        places = np.flatnonzero(own.tokens == tokenizer.unknown_id)
        if count := len(np.unique(np.searchsorted(own.offsets, places, side="right"))):
            found.append(f"{count:,} of {len(own.lengths):,} in {name!r}")
    if found:
        yield (
            f"training examples with characters that {tokenizer.path.name} has no token for: "
            f"{', '.join(found)}; one token stands for all of them, and no answer can say any; "
            "give a tokenizer that falls back on bytes"
        )


def _repeated(asked: Mapping[str, Sequence[Example]]) -> Iterator[str]:
    """Yields in which languages prompts are the same: they count as several in each interval."""
    twice = {
        code: len(some) - len({folded(e.prompt) for e in some}) for code, some in asked.items()
    }
    found = [f"{n:,} of {len(asked[code]):,} in {code!r}" for code, n in twice.items() if n]
    if found:
        yield (
            f"held-out prompts that another one is too: {', '.join(found)}; intervals take them "
            "for different ones and are too narrow; take them out of config.corpus.heldout"
        )


def foreign_shares(bench: Workbench, answered: Iterable[str]) -> dict[str, float]:
    """Returns language -> percent of the references that are in another one; none where few are."""
    asked = {code: bench.prompts(code) for code in sorted(answered)}
    words = words_of(asked)
    found = {code: _foreign(some, words) for code, some in asked.items()}
    return {c: 100 * sum(own.values()) / len(asked[c]) for c, own in found.items() if own}


def _foreign(examples: Iterable[Example], words: StudyWords) -> dict[str, int]:
    """Returns in which other languages some of the responses are, the most frequent first.

    By the rule that answers go by; none where they are few. An answer like them counts as one in a
    wrong language.
    """
    texts = [(e.response, e.language) for e in examples if e.response]
    seen = [classify("", text, code, "", words=words) for text, code in texts]
    found = collections.Counter(one.identified for one in seen if one.wrong_language)
    return dict(found.most_common()) if found.total() > _MANY * len(texts) else {}


def _foreign_lines(name: str, examples: Sequence[Example], words: StudyWords) -> Iterator[str]:
    if found := _foreign(examples, words):
        of = ", ".join(f"{code} {count:,}" for code, count in found.items())
        yield (
            f"{sum(found.values()):,} of {len(examples):,} {name} are in another language by "
            f"lid.176 ({of}): answers like them count as in a wrong one; correct the files, or if "
            "they are right trust no figure of wrong languages there; texts in two scripts are "
            "two languages, such as 'sr' and 'sr-Latn'"
        )


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


def _cut_short(bench: Workbench, asked: Mapping[str, Iterable[Example]]) -> Iterator[str]:
    """Yields in which languages no answer can be as long as some references."""
    room = bench.config.evaluate.new_tokens
    for code, some in asked.items():
        told = [bench.renderer.example(e.asked, e.response) for e in some if e.response]
        lengths = [len(ids) - prompt for ids, prompt in told]
        if count := sum(length > room for length in lengths):
            yield (
                f"answers in {code!r} end after config.evaluate.new_tokens={room}; {count:,} of "
                f"{len(lengths):,} references are longer, the longest of {max(lengths):,} tokens"
            )
