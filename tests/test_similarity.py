"""Languages that a model finds alike: representations, their similarity, clusters, correlations."""

import itertools

import jax
import numpy as np
import pytest
from small import GEMMA_LIKE, random_params

from pinch_jax.devices.mesh import MeshConfig, make_mesh
from pinch_jax.devices.sharding import Shard, parameter_shardings
from pinch_jax.evaluate import representations as module
from pinch_jax.evaluate.representations import representations
from pinch_jax.model.decoder import forward
from pinch_jax.study import similarity as compared
from pinch_jax.study.similarity import (
    best_cut,
    clusters,
    pair_correlation,
    similarity,
    without_levels,
)

LENGTHS = (5, 1, 17, 2, 9)


def test_a_text_is_the_mean_of_its_states_on_any_mesh(monkeypatch):
    monkeypatch.setattr(module, "BATCH_TOKENS", 40)  # two rows a batch on one device
    c, random = GEMMA_LIKE, np.random.default_rng(7)
    params = random_params(c)
    texts = [random.integers(0, c.vocab_size, n).tolist() for n in LENGTHS]
    # What stands behind a text cannot reach it.
    ids = np.array([text + [0] * (max(LENGTHS) - len(text)) for text in texts])
    positions = np.broadcast_to(np.arange(max(LENGTHS)), ids.shape)
    hidden = jax.jit(forward, static_argnums=0)(c, params, ids, positions, np.ones_like(ids))
    rows = zip(np.asarray(hidden, np.float64), LENGTHS, strict=True)
    wanted = [row[:length].mean(axis=0) for row, length in rows]
    alone = representations(c, params, texts, make_mesh(MeshConfig(), jax.devices()[:1]))
    np.testing.assert_allclose(alone, wanted, rtol=1e-4, atol=1e-5)
    mesh = make_mesh(MeshConfig(1, 2, 2, 2))
    laid_out = jax.device_put(params, parameter_shardings(mesh, params))
    found = representations(c, laid_out, texts, mesh, Shard(mesh))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def unbiased_hsic(k, m):
    """Return the U-statistic by its definition: the mean over all distinct quadruples."""
    quadruples = list(itertools.permutations(range(len(k)), 4))
    return np.mean([k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in quadruples])


def test_the_similarity_is_the_debiased_cka_of_its_definition():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(7, 3))
    states = np.stack([shared @ rng.normal(size=(3, 5)) + rng.normal(size=(7, 5)) for _ in "abc"])
    grams = [x @ x.T for x in states]
    hsic = np.array([[unbiased_hsic(k, m) for m in grams] for k in grams])
    scale = np.sqrt(np.diag(hsic))
    np.testing.assert_allclose(similarity(states), hsic / np.outer(scale, scale), rtol=1e-9)


def test_similarity_knows_no_rotation_scale_or_number_of_prompts():
    rng = np.random.default_rng(2)
    one = rng.normal(size=(40, 60))
    turned = 3 * one @ np.linalg.qr(rng.normal(size=(60, 60)))[0] + 5
    unrelated = [similarity(rng.normal(size=(2, 40, 60)))[0, 1] for _ in range(40)]
    assert similarity(np.stack([one, turned]))[0, 1] == pytest.approx(1)
    assert abs(np.mean(unrelated)) < 0.02  # the plain one is 0.60 here
    assert np.isnan(similarity(np.stack([one, 0 * one]))[0, 1])


def states_of(groups, kinship, rng, prompts=64, dim=32):
    """Return states of languages that share a meaning, and with those of their group an accent."""
    meaning = rng.normal(size=(prompts, dim))
    accent = {group: rng.normal(size=(prompts, dim)) for group in groups}
    noise = rng.uniform(0.3, 1.2, len(groups))
    own = rng.normal(size=(len(groups), prompts, dim)) * noise[:, None, None]
    return np.stack([meaning + kinship * accent[group] for group in groups]) + own


def test_planted_clusters_are_found(monkeypatch):
    monkeypatch.setattr(compared, "SHUFFLES", 199)
    groups = list("aaabbbccc")
    for seed in range(3):
        found, p = clusters(similarity(states_of(groups, 0.8, np.random.default_rng(seed))))
        assert p < 0.05
        assert [[a == b for b in found] for a in found] == [
            [a == b for b in groups] for a in groups
        ]


def test_there_are_no_clusters_where_languages_differ_by_chance_alone(monkeypatch):
    monkeypatch.setattr(compared, "SHUFFLES", 199)
    found = [
        clusters(similarity(states_of(range(9), 0.0, np.random.default_rng(seed))))[1]
        for seed in range(8)
    ]
    assert sum(p < 0.05 for p in found) <= 2 and np.median(found) > 0.1


def test_the_silhouette_is_that_of_its_definition():
    alike = similarity(states_of(list("aabbc"), 0.8, np.random.default_rng(3)))
    score, cut = best_cut(alike)
    apart, told = 1 - alike, []
    for i, own in enumerate(cut):
        kin = [j for j, other in enumerate(cut) if other == own and j != i]
        others = [[j for j, c in enumerate(cut) if c == k] for k in set(cut) - {own}]
        inside = np.mean(apart[i, kin]) if kin else 0
        outside = min(np.mean(apart[i, rest]) for rest in others)
        told.append((outside - inside) / max(inside, outside) if kin else 0)
    assert score == pytest.approx(np.mean(told))


def symmetric(rng, size):
    table = rng.normal(size=(size, size))
    return table + table.T


def test_r_is_the_partial_one_of_least_squares():
    x, y = (symmetric(np.random.default_rng(seed), 7) for seed in (4, 5))
    upper = np.triu_indices(7, 1)
    design = np.array([[i in pair for i in range(7)] for pair in zip(*upper, strict=True)], float)

    def left(table):
        return table[upper] - design @ np.linalg.lstsq(design, table[upper], rcond=None)[0]

    np.testing.assert_allclose(without_levels(x)[upper], left(x), atol=1e-12)
    found = pair_correlation(x, y)
    assert found.value == pytest.approx(np.corrcoef(left(x), left(y))[0, 1])
    assert found.low < found.value < found.high


def test_what_languages_have_by_themselves_is_no_correlation_of_pairs():
    rng = np.random.default_rng(6)
    held = []
    for _ in range(12):
        levels = np.add.outer(*[5 * rng.normal(size=9)] * 2)
        noise = [symmetric(rng, 9) for _ in range(2)]
        found = pair_correlation(levels + noise[0], levels + noise[1])
        held.append(found.p < 0.05 and found.low > 0)
        related = pair_correlation(levels + noise[0], noise[0] + 0.3 * noise[1])
        assert related.low > 0 and related.p < 0.01 and related.value > 0.8
    assert sum(held) <= 1
    assert np.isnan(pair_correlation(levels, noise[0]).value)
