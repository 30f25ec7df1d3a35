"""Batches: a pure function of the step, the same for any hosts, exact over a whole run."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from batch_shapes import batch_shape
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch_jax.corpus.example import Example
from pinch_jax.data.mixture import parse_mixture
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import tokenize_corpus

LANGUAGES = ("ar", "en", "fi", "sw")
BOS, EOS, PAD, ANSWER = 256, 257, 258, 259
quick = settings(deadline=None, derandomize=True, max_examples=100)


class Bytes:
    """A tokenizer of UTF-8 bytes."""

    pad_id = PAD

    def encode(self, text):
        return list(text.encode())


def render(prompt, response):
    before = [BOS, *Bytes().encode(prompt), ANSWER]
    return [*before, *Bytes().encode(response), EOS], len(before)


EXAMPLES = {
    language: [
        Example(f"x{i}", "", "", "", f"{language}{i}?", f"{language} é" * (1 + (3 * i + n) % 5))
        for i in range(80)
    ]
    for n, language in enumerate(LANGUAGES)
}
RENDERED = {
    (language, example.id): render(example.prompt, example.response)
    for language, examples in EXAMPLES.items()
    for example in examples
}
SHAPE = batch_shape(4, 96, 60)
CORPUS = tokenize_corpus(EXAMPLES, PAD, render)

specs = st.one_of(
    st.sampled_from(["monolingual:sw", "pinch:10", "pinch:n9", "pinch:100", "uniform:ar,fi"]),
    st.dictionaries(st.sampled_from(LANGUAGES), st.integers(1, 20), min_size=1),
)


@st.composite
def plans(draw, row_tokens=(26, 70), row_supervised_tokens=(16, 40)):
    mixture = parse_mixture(
        draw(specs),
        LANGUAGES,
        draw(st.integers(40, 80)),
        composition=draw(st.sampled_from(["disjoint", "parallel"])),
        granularity=draw(st.sampled_from(["example", "step"])),
        seed=draw(st.integers(0, 9)),
    )
    shape = batch_shape(
        8, draw(st.integers(*row_tokens)), draw(st.integers(*row_supervised_tokens))
    )
    epochs = draw(st.integers(1, 3))
    return plan_batches(mixture, CORPUS, shape, epochs), epochs


def read_back(plan, step):
    """Counts each (ids, prompt_length) of the batch, reading it token by token."""
    batch = plan.batch_at(step)
    rows, width = batch.tokens.shape
    found = Counter()
    for row in range(rows):
        inputs = {}
        for slot in range(batch.weights.shape[1]):
            if batch.weights[row, slot]:
                assert int(batch.supervised[row, slot]) not in inputs
                inputs[int(batch.supervised[row, slot])] = int(batch.targets[row, slot])
        for segment in range(1, batch.segments[row].max() + 1):
            where = [t for t in range(width) if batch.segments[row, t] == segment]
            assert where == list(range(where[0], where[-1] + 1))
            assert [int(batch.positions[row, t]) for t in where] == list(range(len(where)))
            ids = [int(batch.tokens[row, t]) for t in where]
            supervised = [t for t in where if t in inputs]
            first = supervised[0] - where[0] + 1
            assert [inputs.pop(t) for t in supervised] == ids[first:]
            found[tuple(ids), first] += 1
        assert not inputs
        for t in np.flatnonzero(batch.segments[row] == 0):
            assert (batch.tokens[row, t], batch.positions[row, t]) == (PAD, 0)
        for slot in np.flatnonzero(batch.weights[row] == 0):
            assert (batch.supervised[row, slot], batch.targets[row, slot]) == (0, PAD)
    return found


@quick
@given(plans())
def test_every_example_stands_in_its_batch_as_it_is_rendered_alone(planned):
    plan, _ = planned
    for step in range(plan.steps):
        expected = [RENDERED[name] for name in plan.examples_at(step)]
        assert read_back(plan, step) == Counter((tuple(ids), first) for ids, first in expected)


@quick
@given(plans())
def test_over_a_run_every_example_is_seen_once_an_epoch_but_for_the_dropped(planned):
    plan, epochs = planned
    seen = Counter(name for step in range(plan.steps) for name in plan.examples_at(step))
    for language, budget in plan.mixture.budgets.items():
        own = {name: count for name, count in seen.items() if name[0] == language}
        assert set(own.values()) <= {epochs}
        assert sum(own.values()) + plan.dropped[language] == epochs * budget
        for ids, prompt_length in map(RENDERED.__getitem__, own):
            assert len(ids) <= plan.shape.row_tokens
            assert len(ids) - prompt_length <= plan.shape.row_supervised_tokens


@quick
@given(plans(row_tokens=(60, 70), row_supervised_tokens=(40, 40)))
def test_the_run_keeps_the_mixture_in_every_prefix(planned):
    plan, _ = planned
    assert sum(plan.dropped.values()) == 0
    n, total, counts = 0, plan.mixture.examples, Counter()
    for step in range(plan.steps):
        names = plan.examples_at(step)
        if plan.mixture.granularity == "step":
            assert len({language for language, _ in names}) == 1
            continue
        for language, _ in names:
            n += 1
            counts[language] += 1
            for other, budget in plan.mixture.budgets.items():
                assert abs(total * counts[other] - n * budget) < total


@quick
@given(plans(), st.sampled_from([1, 2, 8]), st.randoms(use_true_random=False))
def test_the_rows_of_all_hosts_together_are_the_global_batch(planned, hosts, random):
    """A host's rows lie anywhere in the batch."""
    plan, _ = planned
    order = random.sample(range(plan.shape.rows), plan.shape.rows)
    shares = [order[host::hosts] for host in range(hosts)]
    for step in range(plan.steps):
        parts = [plan.batch_at(step, share) for share in shares]
        for whole, *split in zip(plan.batch_at(step), *parts, strict=True):
            for rows, part in zip(shares, split, strict=True):
                assert part.dtype == whole.dtype and np.array_equal(part, whole[rows])


@quick
@given(plans())
def test_rows_without_an_example_may_be_left_out_and_nothing_else_changes(drawn):
    plan, _ = drawn
    for multiple in (1, 4):
        shape = dataclasses.replace(plan.shape, row_multiple=multiple)
        less = dataclasses.replace(plan, shape=shape)
        for step in range(plan.steps):
            whole, batch = plan.batch_at(step), less.batch_at(step)
            rows = less.rows_at(step)
            held = int((whole.segments.max(axis=1) > 0).sum())
            assert rows % multiple == 0 and rows - multiple < held <= rows
            for field, expected in zip(batch, whole, strict=True):
                assert np.array_equal(field, expected[:rows])
            assert not whole.segments[rows:].any() and not whole.weights[rows:].any()
            half = less.batch_at(step, range(rows // 2, rows))
            assert np.array_equal(half.tokens, batch.tokens[rows // 2 :])


@quick
@given(plans())
def test_a_step_does_not_depend_on_the_steps_asked_before(planned):
    plan, _ = planned
    forward = [plan.batch_at(step) for step in range(plan.steps)]
    kept = [[field.copy() for field in batch] for batch in forward]
    for batch in forward:
        for field in batch:
            field[:] = -1  # what a caller does to a batch must not reach the plan
    for step in reversed(range(plan.steps)):
        for field, old in zip(plan.batch_at(step), kept[step], strict=True):
            assert np.array_equal(field, old)


@quick
@given(plans())
def test_counts_are_those_of_the_batches(planned):
    plan, _ = planned
    over_the_run = {"examples": Counter(), "tokens": Counter(), "supervised_tokens": Counter()}
    for step in range(plan.steps):
        counts, batch = plan.counts_at(step), plan.batch_at(step)
        assert counts["examples"] == Counter(language for language, _ in plan.examples_at(step))
        assert sum(counts["tokens"].values()) == np.sum(batch.segments > 0)
        assert sum(counts["supervised_tokens"].values()) == np.sum(batch.weights)
        for name, of_languages in counts.items():
            over_the_run[name].update(of_languages)
        for language in counts["tokens"]:
            own = [RENDERED[name] for name in plan.examples_at(step) if name[0] == language]
            assert counts["tokens"][language] == sum(len(ids) for ids, _ in own)
    assert plan.totals() == over_the_run


@quick
@given(
    st.one_of(specs, st.sampled_from(["linear:monolingual:en..pinch:100", "uniform:3-by-random5"])),
    st.permutations(LANGUAGES),
    st.sampled_from([{"examples": 60}, {"examples": 0, "supervised_tokens": 300}]),
    st.sampled_from(["disjoint", "parallel"]),
    st.sampled_from(["example", "step"]),
)
def test_the_order_of_the_languages_decides_nothing(spec, turned, size, composition, granularity):
    if "supervised_tokens" in size and ("linear" in spec or "pinch:n9" in spec):
        return
    how = size | {"composition": composition, "granularity": granularity}
    first, other = (
        plan_batches(
            parse_mixture(spec, languages, seed=5, **how),
            tokenize_corpus({language: EXAMPLES[language] for language in languages}, PAD, render),
            SHAPE,
            epochs=2,
        )
        for languages in (LANGUAGES, turned)
    )
    assert first.fingerprint == other.fingerprint and first.steps == other.steps
    for step in range(first.steps):
        assert first.examples_at(step) == other.examples_at(step)
        for one, same in zip(first.batch_at(step), other.batch_at(step), strict=True):
            assert np.array_equal(one, same)


def test_shapes_and_types_are_those_that_a_compiled_step_expects():
    plan = plan_batches(parse_mixture("pinch:50", LANGUAGES, 80), CORPUS, batch_shape(4, 64, 30), 1)
    for step in (0, plan.steps - 1):
        batch = plan.batch_at(step)
        assert [field.shape for field in batch] == 3 * [(4, 64)] + 3 * [(4, 30)]
        assert [field.dtype.name for field in batch] == 5 * ["int32"] + ["float32"]
    for step in (-1, plan.steps):
        with pytest.raises(IndexError, match=f"step={step}: the run has steps 0 to"):
            plan.batch_at(step)
    with pytest.raises(IndexError):
        plan.batch_at(0, [4])


def test_epochs_hold_the_same_examples_in_another_order():
    mixture = parse_mixture("pinch:50", LANGUAGES, 60)
    plan = plan_batches(mixture, CORPUS, SHAPE, 2)
    names = [name for step in range(plan.steps) for name in plan.examples_at(step)]
    first, second = names[:60], names[60:]
    assert sorted(first) == sorted(second)
    # The order of the languages is drawn anew too.
    assert [language for language, _ in first] != [language for language, _ in second]


@pytest.mark.parametrize("granularity", ["example", "step"])
def test_a_schedule_spans_all_epochs_and_each_language_goes_round_its_own(granularity):
    spec = "piecewise:monolingual:en..uniform:fi,sw@0.5"
    mixture = parse_mixture(spec, LANGUAGES, 40, granularity=granularity)
    plan = plan_batches(mixture, CORPUS, SHAPE, 3)
    steps = [plan.examples_at(step) for step in range(plan.steps)]
    names = [name for step in steps for name in step]
    assert plan.budgets == {"ar": 0, "en": 20, "fi": 10, "sw": 10}
    assert {language for language, _ in names[:60]} == {"en"}
    assert {language for language, _ in names[60:]} == {"fi", "sw"}
    assert set(Counter(names).values()) == {3} and len(names) == 120
    if granularity == "step":
        turns = [{language for language, _ in step} for step in steps]
        assert all(len(turn) == 1 for turn in turns)
        assert turns.index({"sw"}) < len(turns) - 1 - turns[::-1].index({"fi"})


def test_the_fingerprint_is_that_of_what_the_run_holds():
    def fingerprint(spec="pinch:50", n=60, shape=SHAPE, epochs=2, corpus=CORPUS, **how):
        mixture = parse_mixture(spec, LANGUAGES, n, **how)
        return plan_batches(mixture, corpus, shape, epochs).fingerprint

    renamed = {
        language: [dataclasses.replace(example, id="y" + example.id) for example in examples]
        for language, examples in EXAMPLES.items()
    }
    assert fingerprint() == fingerprint()
    assert fingerprint("pinch:0") == fingerprint("monolingual:en")
    assert fingerprint("pinch:100") == fingerprint("uniform:fi,en,sw,ar")
    changed = [
        fingerprint("pinch:70"), fingerprint(n=61), fingerprint(shape=batch_shape(4, 80, 60)),
        fingerprint(shape=batch_shape(5, 96, 60)), fingerprint(epochs=3), fingerprint(seed=1),
        fingerprint(composition="parallel"), fingerprint(granularity="step"), fingerprint(),
        fingerprint(corpus=tokenize_corpus(renamed, PAD, render)),
    ]  # fmt: skip
    assert len(set(changed)) == len(changed)


def test_what_cannot_be_planned_says_why():
    mixture = parse_mixture("pinch:50", LANGUAGES, 60)
    with pytest.raises(ValueError, match=r"row_tokens=5, .*no example fits into a row.* 1. tokens"):
        plan_batches(mixture, CORPUS, batch_shape(4, 5, 60), 1)
    with pytest.raises(ValueError, match=r"examples=300: the corpus has only 80 .* at most 80"):
        plan_batches(parse_mixture("pinch:50", LANGUAGES, 300), CORPUS, SHAPE, 1)
