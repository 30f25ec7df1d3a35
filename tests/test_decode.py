"""Decoding: the cache changes nothing, rows stop by themselves, sampling keeps the nucleus."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import EVERY, GEMMA_LIKE, LLAMA_LIKE, random_params

from pinch_jax.devices.host_memory import listed_layers
from pinch_jax.devices.mesh import MeshConfig, make_mesh, put_batch, replicated
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.evaluate.decode import make_decode
from pinch_jax.evaluate.prompts import batch_prompts
from pinch_jax.evaluate.sampling import Sampling, sample
from pinch_jax.model.decoder import forward, unembed
from pinch_jax.model.stacks import in_order, kinds, outside, stacks

NEW_TOKENS, WIDTH, PAD, NEVER = 7, 8, 0, ()
LENGTHS = (8, 1, 5, 3)
NO_KEYS = np.zeros((len(LENGTHS), 2), np.uint32)


def prompts_of(vocab_size):
    """Returns prompts of different lengths, and the same padded on the left, and the padding."""
    random = np.random.default_rng(4)
    prompts = [random.integers(1, vocab_size, n).tolist() for n in LENGTHS]
    ids = np.array([[PAD] * (WIDTH - len(p)) + p for p in prompts], np.int32)
    return prompts, ids, np.array([WIDTH - n for n in LENGTHS], np.int32)


def continued(c, params, prompts):
    """Returns greedy continuations [rows, NEW_TOKENS], the whole text run again for each token."""

    @jax.jit
    def scores(params, tokens):
        positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
        return unembed(c, params, forward(c, params, tokens, positions, jnp.ones_like(tokens)))

    texts = [list(p) for p in prompts]
    for _ in range(NEW_TOKENS):
        # What stands behind a text cannot reach it.
        rows = [text + [PAD] * (WIDTH + NEW_TOKENS - len(text)) for text in texts]
        of = np.asarray(scores(params, np.array(rows, np.int32)))
        for row, text in enumerate(texts):
            text.append(int(of[row, len(text) - 1].argmax()))
    return np.array([text[-NEW_TOKENS:] for text in texts])


@functools.cache
def greedy(family):
    c = EVERY[family]
    return continued(c, random_params(c), prompts_of(c.vocab_size)[0])


@pytest.mark.parametrize("family", EVERY)
def test_decoding_with_a_cache_equals_running_the_whole_text_again(family):
    c = EVERY[family]
    _, ids, padding = prompts_of(c.vocab_size)
    decode = jax.jit(make_decode(c, NEW_TOKENS, NEVER, PAD))
    ours = decode(random_params(c), ids, padding, NO_KEYS)
    assert np.array_equal(ours, greedy(family))
    assert len({tuple(row) for row in np.asarray(ours)}) == len(LENGTHS)


@pytest.mark.parametrize("family", EVERY)
def test_layers_one_by_one_are_views_and_decode_the_same(family):
    c, mesh = EVERY[family], make_mesh(MeshConfig(), jax.devices()[:1])
    _, ids, padding = prompts_of(c.vocab_size)
    params = jax.device_put(random_params(c))
    own = {kind.name: listed_layers(mesh, params[kind.name]) for kind in stacks(c)}
    listed, name = in_order(c, own), kinds(c)[-1].name
    stack, last = params[name]["feedforward"]["up"], listed[-1]["feedforward"]["up"]
    assert len(listed) == c.layers
    assert (
        last.unsafe_buffer_pointer() == stack.unsafe_buffer_pointer() + stack.nbytes - last.nbytes
    )
    decode = jax.jit(make_decode(c, NEW_TOKENS, NEVER, PAD))
    ours = decode(outside(c, params) | {"layers": listed}, ids, padding, NO_KEYS)
    assert np.array_equal(ours, greedy(family))

    # A program that is given the stack for good leaves the views as they are.
    before = np.array(last)
    doubled = jax.jit(lambda x: 2 * x, donate_argnums=0)(stack)
    assert np.array_equal(last, before) and np.array_equal(doubled[-1], 2 * before)
    assert listed_layers(make_mesh(MeshConfig()), params[name]) is None


@pytest.mark.parametrize("axes", [(2, 2, 2), (1, 2, 2, 2)])
def test_a_mesh_decodes_as_one_device_does(axes):
    c, mesh = GEMMA_LIKE, make_mesh(MeshConfig(*axes))
    params = random_params(c)
    _, ids, padding = prompts_of(c.vocab_size)
    decode = make_decode(c, NEW_TOKENS, NEVER, PAD, shard=Shard(mesh))
    ours = jax.jit(decode, out_shardings=replicated(mesh))(
        jax.device_put(params, parameter_shardings(mesh, params)),
        *put_batch(mesh, len(LENGTHS), (ids, padding, NO_KEYS)),
    )
    assert np.array_equal(ours, greedy("gemma"))


def test_a_row_is_padded_behind_its_stop_and_the_loop_ends_with_the_last_row():
    c = LLAMA_LIKE
    _, ids, padding = prompts_of(c.vocab_size)
    free = greedy("llama")
    stop_ids = {int(free[0, 4]), int(free[2, 1])}
    stops = [
        next((at for at, id in enumerate(row) if id in stop_ids), NEW_TOKENS)
        for row in free.tolist()
    ]
    # Each of the two ends some row, and some row goes on longer than another.
    ended = {int(row[stop]) for row, stop in zip(free, stops, strict=True) if stop < NEW_TOKENS}
    assert ended == stop_ids and len(ended) == 2 and min(stops) < max(stops)
    expected = free.copy()
    for row, stop in enumerate(stops):
        expected[row, stop + 1 :] = PAD
    counting = Counting()
    decode = jax.jit(make_decode(c, NEW_TOKENS, stop_ids, PAD, shard=counting))
    params = random_params(c)
    assert np.array_equal(decode(params, ids, padding, NO_KEYS), expected)
    # A turn for each prompt, since of four rows one is filled at a time, and one for each token.
    assert counting.taken() == len(LENGTHS) + min(max(stops), NEW_TOKENS - 1)

    # A row of padding alone answers nothing and keeps nobody waiting.
    alone = np.array([padding[0], WIDTH, WIDTH, WIDTH], np.int32)
    ours = decode(params, ids, alone, NO_KEYS)
    assert np.array_equal(ours, [expected[0], *3 * [NEW_TOKENS * [PAD]]])
    assert counting.taken() == 1 + stops[0]


class Counting(Shard):
    """Counts how often a program chooses tokens."""

    chosen = 0

    def __call__(self, x, axes):
        if axes == "BV":
            jax.debug.callback(self.count)
        return x

    def count(self):
        type(self).chosen += 1

    def taken(self):
        """Returns how often it did since it was last asked."""
        jax.effects_barrier()
        count, type(self).chosen = self.chosen, 0
        return count


@pytest.mark.parametrize(
    ("family", "sampling"), [("gemma", Sampling()), ("cohere", Sampling(1.0, 0.9))]
)
def test_rows_that_are_done_take_the_next_prompts_and_say_what_they_say_alone(family, sampling):
    """On one device, and on meshes: groups of rows with a queue each, some of which are short."""
    c, random = EVERY[family], np.random.default_rng(9)
    params, count, rows = random_params(c), 48, 8
    lengths = random.integers(1, WIDTH + 1, count)
    # What stands in the padding is nobody's.
    ids = random.integers(1, c.vocab_size, (count, WIDTH)).astype(np.int32)
    padding, keys = (WIDTH - lengths).astype(np.int32), random.integers(0, 2**32, (count, 2))
    inputs, stop_ids = (ids, padding, keys.astype(np.uint32)), range(0, c.vocab_size, 5)
    plain = jax.jit(make_decode(c, NEW_TOKENS, stop_ids, PAD, sampling))
    alone = np.concatenate([plain(params, *(x[n : n + 1] for x in inputs)) for n in range(count)])
    tokens = np.argmax(np.isin(alone, stop_ids) | (np.arange(NEW_TOKENS) == NEW_TOKENS - 1), axis=1)
    assert min(tokens) == 0 and max(tokens) == NEW_TOKENS - 1 and len(set(tokens)) > 3

    counting = Counting()
    queued = jax.jit(make_decode(c, NEW_TOKENS, stop_ids, PAD, sampling, shard=counting, rows=rows))
    assert np.array_equal(queued(params, *inputs), alone)
    turns = counting.taken()
    # Two rows read prompts at a time; six batches that wait for their longest would take a turn for
    # each of its tokens.
    assert count / 2 + sum(tokens) / rows <= turns < count / 2 + count / rows * max(tokens)
    # Twelve prompts a group, of which the last three of the second are missing.
    inputs[1][21:24], alone[21:24] = WIDTH, PAD
    for shape in (MeshConfig(4, 1, 2), MeshConfig(2, 2, 2)):
        mesh = make_mesh(shape)
        decode = make_decode(c, NEW_TOKENS, stop_ids, PAD, sampling, shard=Shard(mesh), rows=rows)
        ours = jax.jit(decode, out_shardings=replicated(mesh))(
            jax.device_put(params, parameter_shardings(mesh, params)),
            *put_batch(mesh, count, inputs),
        )
        assert np.array_equal(ours, alone)


SCORES = np.log(np.array([0.08, 0.4, 0.02, 0.3, 0.2], np.float32))
draw = jax.jit(
    lambda sampling, seed: sample(
        jnp.broadcast_to(SCORES, (4000, 5)), jax.random.split(jax.random.key(seed), 4000), sampling
    ),
    static_argnums=0,
)


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (1.0, 1.0, [0.08, 0.4, 0.02, 0.3, 0.2]),
        (1.0, 0.65, [0, 4 / 7, 0, 3 / 7, 0]),
        (1.0, 0.75, [0, 4 / 9, 0, 3 / 9, 2 / 9]),
        (1.0, 0.39, [0, 1, 0, 0, 0]),
        (1.0, 1e-6, [0, 1, 0, 0, 0]),
        # Squared probabilities; the nucleus is that of the scaled scores.
        (0.5, 1.0, np.square([0.08, 0.4, 0.02, 0.3, 0.2]) / 0.2968),
        (0.5, 0.8, [0, 16 / 25, 0, 9 / 25, 0]),
    ],
)
def test_sampling_keeps_the_smallest_nucleus_in_proportion(temperature, top_p, expected):
    drawn = draw(Sampling(temperature, top_p), 0)
    shares = np.bincount(drawn, minlength=5) / len(drawn)
    assert np.all((shares > 0) <= (np.array(expected) > 0))
    # Four standard errors.
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(4000))


def test_at_temperature_0_the_best_token_is_taken_whatever_the_key():
    scores = np.random.default_rng(0).standard_normal((6, 20)).astype(np.float32)
    for seed in (0, 1):
        for top_p in (1.0, 0.5):
            keys = jax.random.split(jax.random.key(seed), len(scores))
            ids = sample(scores, keys, Sampling(0.0, top_p))
            assert ids.dtype == jnp.int32
            assert np.array_equal(ids, scores.argmax(axis=1))


def test_a_key_decides_what_is_sampled():
    assert np.array_equal(draw(Sampling(1.0), 0), draw(Sampling(1.0), 0))
    assert not np.array_equal(draw(Sampling(1.0), 0), draw(Sampling(1.0), 1))


@pytest.mark.parametrize(
    ("temperature", "top_p", "field"),
    [(-0.1, 1.0, "temperature=-0.1"), (1.0, 0.0, "top_p=0.0"), (1.0, 1.1, "top_p=1.1")],
)
def test_sampling_that_cannot_be_says_why(temperature, top_p, field):
    with pytest.raises(ValueError, match=f"config.evaluate.{field}"):
        Sampling(temperature, top_p)


def test_prompts_are_batched_by_length_and_every_one_is_found_again():
    random = np.random.default_rng(5)
    prompts = [random.integers(1, 50, n).tolist() for n in random.integers(1, 17, 30)]
    batches = batch_prompts(prompts, rows=4, widths=(8, 16), pad_id=PAD, per_row=2, groups=2)
    found, lengths = {}, []
    for batch in batches:
        assert batch.ids.shape == (8, batch.ids.shape[1]) and batch.ids.dtype == np.int32
        for member, place in zip(batch.members, batch.places, strict=True):
            ids, padding = batch.ids[place], batch.padding[place]
            assert int(member) not in found and np.all(ids[:padding] == PAD)
            found[int(member)] = ids[padding:].tolist()
        own = [len(prompts[member]) for member in batch.members]
        lengths += own[::-1]
        # In each group, those of padding alone stand behind the others, and the longest is first.
        for group in np.split(batch.padding, 2):
            assert list(group) == sorted(group)
        longest = max(len(prompts[member]) for member in batch.members)
        assert batch.ids.shape[1] == (8 if longest <= 8 else 16)
        assert np.sum(batch.padding == batch.ids.shape[1]) == 8 - len(batch.members)
        dealt = [np.sum(group < batch.ids.shape[1]) for group in np.split(batch.padding, 2)]
        assert dealt[0] - dealt[1] == len(batch.members) % 2
    assert found == dict(enumerate(prompts))
    assert lengths == sorted(lengths)
    assert len(batches) == 4 and len(batches[-1].members) == 30 % 8
    assert batch_prompts([], 8, (8,), PAD) == []


def test_a_prompt_longer_than_the_widest_batch_is_an_error():
    with pytest.raises(ValueError, match=r"config.evaluate.prompt_tokens=8: prompt 1 has 9 tokens"):
        batch_prompts([[1], [1] * 9], 4, (4, 8), PAD)
