"""Selection of tuning languages: checked against distances and counts made another way."""

import collections
import sys

import numpy as np
import pytest
from bundled import LANGUAGES, STUDY_LANGUAGES
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from pinch_jax.data import selection
from pinch_jax.data.selection import STRATEGIES, select_languages, uriel_vectors
from pinch_jax.languages import language

quick = settings(deadline=None, derandomize=True, max_examples=60)
some_languages = st.lists(st.sampled_from([*LANGUAGES]), min_size=1, unique=True)


@quick
@given(st.sampled_from([*STRATEGIES]), some_languages, st.data(), st.integers(0, 2**40))
def test_a_selection_is_of_k_languages_grows_from_the_base_and_ignores_nothing_else(
    strategy, languages, data, seed
):
    base = data.draw(st.sampled_from(languages))
    grown = [
        select_languages(strategy, k, languages, base, seed) for k in range(1, len(languages) + 1)
    ]
    assert grown[0] == (base,) and set(grown[-1]) == set(languages)
    for k, chosen in enumerate(grown, start=1):
        assert len(chosen) == len(set(chosen)) == k and chosen == grown[-1][:k]
    turned = data.draw(st.permutations(languages))
    assert grown[-1] == select_languages(strategy, len(languages), turned, base, seed)


@quick
@given(some_languages.filter(lambda codes: len(codes) > 1), st.data())
def test_typology_takes_the_language_whose_nearest_one_is_farthest(languages, data):
    base = data.draw(st.sampled_from(languages))
    order = select_languages("typology", len(languages), languages, base, 0)
    vectors = uriel_vectors(languages)
    distances = cdist(vectors, vectors, "cosine")
    at = {code: row for row, code in enumerate(languages)}
    for k in range(1, len(order)):
        taken = [at[code] for code in order[:k]]
        to_nearest = {code: distances[at[code], taken].min() for code in order[k:]}
        assert to_nearest[order[k]] > max(to_nearest.values()) - 1e-12


def test_vectors_are_whole_and_closest_between_relatives():
    codes = [*LANGUAGES]
    vectors = uriel_vectors(codes)
    assert vectors.shape == (17, 103) and set(np.unique(vectors)) == {0, 1}
    distances = cdist(vectors, vectors, "cosine") + np.eye(17)
    nearest = {code: codes[row.argmin()] for code, row in zip(codes, distances, strict=True)}
    pairs = [("fi", "et"), ("et", "fi"), ("es", "it"), ("it", "es"), ("he", "ar"), ("ar", "he")]
    assert all(nearest[code] == other for code, other in pairs)
    slavic = {"cs", "hr", "pl", "ru", "sk", "sl", "sr"}
    assert all(nearest[code] in slavic for code in slavic)


@quick
@given(st.sampled_from(["family", "script"]), some_languages, st.data())
def test_family_and_script_spread_over_as_many_as_there_are(strategy, languages, data):
    base = data.draw(st.sampled_from(languages))
    k = data.draw(st.integers(1, len(languages)))
    chosen = select_languages(strategy, k, languages, base, 0)

    def count(codes):
        return collections.Counter(getattr(language(code), strategy) for code in codes)

    have, available = count(chosen), count(languages)
    assert len(have) == min(k, len(available))
    for group, most in have.items():  # two more than another group only where that has no more
        assert all(have[g] >= most - 1 or have[g] == available[g] for g in available), group


def test_chance_decides_between_families_taken_as_often():
    languages = ("sw", "he", "en", "zh", "fi", "ar")
    draws = {select_languages("family", 5, languages, "en", seed) for seed in range(400)}
    # English, then the four other families in any order, with either of two Afro-Asiatic languages.
    assert len(draws) == 2 * 24 and {draw[0] for draw in draws} == {"en"}


def test_chance_depends_on_its_seed_and_not_on_the_order_of_the_config():
    def drawn(seed, languages=STUDY_LANGUAGES):
        return select_languages("random", 6, languages, "en", seed)

    draws = {drawn(seed) for seed in range(200)}
    assert len(draws) > 190
    counts = collections.Counter(code for draw in draws for code in draw[1:])
    assert len(counts) == 11 and min(counts.values()) > 60  # 91 expected
    assert drawn(7) == drawn(7, STUDY_LANGUAGES[::-1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("family", 3, ("en", "fi"), "en"), "cannot select 3 of the 2 languages .* 1 to 2"),
        (("family", 0, ("en", "fi"), "en"), "cannot select 0 of"),
        (
            ("script", 1, ("en", "fi"), "sw"),
            "base=.sw.: a selection begins with it, .* add it there",
        ),
        (("family", 1, ("en", "tok"), "en"), "the family of 'tok' is not known; leave it out"),
        (("typology", 1, ("en", "tok"), "en"), "URIEL has no language 'tok'; leave it out"),
    ],
)
def test_what_cannot_be_selected_says_what_to_write(arguments, words):
    with pytest.raises(ValueError, match=rf"^config\.[a-z.]+.*{words}"):
        select_languages(*arguments, seed=0)


@pytest.fixture
def unread():
    """The vectors are read anew in a test, and again after it."""
    selection._uriel.cache_clear()
    yield
    selection._uriel.cache_clear()


def test_the_vectors_are_found_beside_the_script_that_shares_their_name(
    tmp_path, monkeypatch, unread
):
    (tmp_path / "lang2vec.py").write_text("raise SystemExit('this is the script')")
    monkeypatch.syspath_prepend(tmp_path)
    assert uriel_vectors(["fi"]).shape == (1, 103)


def test_without_the_vectors_the_error_names_the_extra(tmp_path, monkeypatch, unread):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ValueError, match=r"pip install 'pinch_jax\[typology\]'"):
        select_languages("typology", 1, ("en", "fi"), "en", 0)
    assert select_languages("family", 2, ("en", "fi"), "en", 0) == ("en", "fi")
