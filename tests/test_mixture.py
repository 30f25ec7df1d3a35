"""The mixture's arithmetic: exact budgets, nested arms, clear errors."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinch_jax.data.mixture import apportion, assign, parse_mixture
from pinch_jax.data.order import permutation

LANGUAGES = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")
quick = settings(deadline=None, derandomize=True, max_examples=200)

weights = st.one_of(
    st.integers(0, 10**6), st.floats(0, 1e3, allow_subnormal=False), st.sampled_from([1e-9, 1 / 3])
)
tables = st.dictionaries(st.sampled_from(LANGUAGES), weights, min_size=1).filter(
    lambda table: any(table.values())
)
percents = st.decimals(0, 100, places=1).map(str)
seeds = st.integers(0, 2**40)


def corpus(languages, examples, seed=0):
    """Ids of a parallel corpus, in another order and with other ids of its own in each language."""
    ids = {}
    for number, language in enumerate(languages):
        own = [f"shared.{i}" for i in range(examples)] + [f"{language}.{i}" for i in range(number)]
        ids[language] = [own[i] for i in permutation(len(own), seed, "test", language)]
    return ids


def rows_of(mixture, ids, seed):
    """{language: ids it gives}."""
    rows = assign(mixture, ids, seed)
    return {language: [ids[language][row] for row in rows[language]] for language in rows}


def pairs(given_ids, but):
    return {(language, id) for language, own in given_ids.items() if language != but for id in own}


@quick
@given(tables, st.integers(1, 20_000))
def test_budgets_add_up_to_n_within_one_of_the_share_by_largest_remainder(table, n):
    mixture = parse_mixture(table, LANGUAGES, n)
    total = sum(Fraction(str(weight)) for weight in table.values())
    quotas = [n * Fraction(str(table.get(language, 0))) / total for language in LANGUAGES]
    budgets = [mixture.budgets[language] for language in LANGUAGES]

    assert sum(budgets) == n
    for (i, up), (j, down) in itertools.permutations(enumerate(quotas), 2):
        assert abs(budgets[i] - up) < 1
        if budgets[i] > up and budgets[j] <= down:  # i was rounded up and j was not
            assert (up % 1, -i) > (down % 1, -j)


@quick
@given(tables, st.integers(1, 400), st.sampled_from(["disjoint", "parallel"]), seeds)
@example({"ar": 5, "zh": 1, "cs": 2}, 5, "disjoint", 0)  # places owned and budgets differ by one
def test_each_language_gives_as_many_distinct_ids_as_its_budget(table, n, composition, seed):
    mixture = parse_mixture(table, LANGUAGES, n, composition=composition)
    given_ids = rows_of(mixture, corpus(LANGUAGES, n + 7), seed)
    assert {language: len(set(own)) for language, own in given_ids.items()} == mixture.budgets
    together = [id for own in given_ids.values() for id in own]
    longest = max(given_ids.values(), key=len)
    assert len(together) == n
    if composition == "disjoint":
        assert len(set(together)) == n
    else:
        for own in given_ids.values():
            assert own == longest[: len(own)]


@quick
@given(percents, percents, st.data(), st.integers(1, 500), seeds)
def test_arms_of_one_family_are_nested_and_share_their_base_rows(p, q, data, n, seed):
    lower, upper = sorted((p, q), key=Fraction)
    composition = data.draw(st.sampled_from(["disjoint", "parallel"]))
    family = data.draw(
        st.one_of(
            st.just(""),
            st.lists(st.sampled_from(LANGUAGES), min_size=2, unique=True).map(
                lambda some: ":" + ",".join(some)
            ),
        )
    )
    ids = corpus(LANGUAGES, n + 5)
    small, large = (
        parse_mixture(f"pinch:{percent}{family}", LANGUAGES, n, composition=composition)
        for percent in (lower, upper)
    )
    small, large = rows_of(small, ids, seed), rows_of(large, ids, seed)
    assert pairs(small, but="en") <= pairs(large, but="en")
    assert set(large["en"]) <= set(small["en"])
    for language in set(LANGUAGES) - {"en"}:
        assert small[language] == large[language][: len(small[language])]
    if composition == "disjoint":
        everything = {id for own in small.values() for id in own}
        assert everything == {id for own in large.values() for id in own}


@quick
@given(st.integers(0, 60), percents, st.booleans(), st.integers(60, 400), seeds)
def test_a_pinch_of_n_examples_is_nested_in_every_larger_arm(count, p, some, n, seed):
    family = ":en,ar,fi,it,ru,sw" if some else ""
    ids = corpus(LANGUAGES, n + 5)
    few = parse_mixture(f"pinch:n{count}{family}", LANGUAGES, n)
    more = parse_mixture(f"pinch:{p}{family}", LANGUAGES, n)
    assert n - few.budgets["en"] == count
    small, large = (few, more) if few.budgets["en"] >= more.budgets["en"] else (more, few)
    small, large = rows_of(small, ids, seed), rows_of(large, ids, seed)
    assert pairs(small, but="en") <= pairs(large, but="en")
    assert set(large["en"]) <= set(small["en"])


def test_the_same_ids_serve_every_arm_whatever_the_order_of_the_corpus_files():
    specs = ["monolingual:sw", "monolingual:en", "pinch:n40", "pinch:100", "uniform:es,ru"]
    sets = {
        frozenset(id for own in rows_of(parse_mixture(spec, LANGUAGES, 90), ids, 3).values()
                  for id in own)
        for spec in specs
        for ids in (corpus(LANGUAGES, 200, seed=0), corpus(LANGUAGES, 200, seed=1))
    }  # fmt: skip
    assert len(sets) == 1
    mixture, ids = parse_mixture("pinch:10", LANGUAGES, 90), corpus(LANGUAGES, 200)
    assert rows_of(mixture, ids, 3) == rows_of(mixture, ids, 3)
    assert set(rows_of(mixture, ids, 4)["en"]) != set(rows_of(mixture, ids, 3)["en"])


def test_names_mean_the_tables_that_they_stand_for():
    def budgets(spec):
        return parse_mixture(spec, LANGUAGES, 4640).budgets

    others = [language for language in LANGUAGES if language != "en"]
    tenth = dict.fromkeys(LANGUAGES, Fraction(10, 12))
    assert budgets("pinch:0") == budgets("monolingual:en") == budgets({"en": 0.3})
    assert budgets("pinch:10") == budgets(tenth | {"en": 90 + Fraction(10, 12)})
    assert budgets("pinch:100") == budgets("uniform:" + ",".join(LANGUAGES))
    assert budgets("pinch:100:en,ar,fi") == budgets("uniform:ar,en,fi")
    forty = budgets("pinch:n40")
    assert forty["en"] == 4600
    assert [forty[language] for language in others] == 7 * [4] + 4 * [3]
    assert parse_mixture("uniform:es,en", LANGUAGES, 10) == parse_mixture(
        {"en": 0.1, "es": 0.1}, LANGUAGES, 10
    )
    assert parse_mixture({"en": 0.9, "sw": 0.1}, LANGUAGES, 10) == parse_mixture(
        {"sw": 1, "en": 9}, LANGUAGES, 10
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("monolingual:xx", ["'monolingual:xx'", "'xx' is not in config.languages", "add it"]),
        ("pinch:10:en,xx", ["'xx' is not in config.languages"]),
        ({"en": 1, "xx": 1}, ["'xx' is not in config.languages"]),
        ("pinch:101", ["'pinch:101'", "P must be between 0 and 100", "'pinch:10'"]),
        ("pinch:-1", ["P must be between 0 and 100"]),
        ("pinch:ten", ["P='ten' is not a number", "'pinch:10'"]),
        ("pinch:nan", ["nan is not a whole number", "'pinch:n40'"]),
        ("pinch:n1.5", ["n1.5 is not a whole number"]),
        ("pinch:n101", ["101 examples", "config.mixture.examples=100", "at most 'pinch:n100'"]),
        ("pinch:n5:en", ["no language but the base 'en'"]),
        ("uniform:es,en,es", ["'es' twice"]),
        ("monolingual:es,en", ["is one language", "'uniform:es,en'"]),
        ("pinch", ["not the name of a mixture", "'monolingual:sw'"]),
        ("salad:10", ["not the name of a mixture", "'uniform:es,en'"]),
        (7, ["neither a name nor a table"]),
        ({}, ["holds no language", "{'en': 0.9, 'sw': 0.1}"]),
        ({"en": 1, "sw": -0.1}, ["sw=-0.1", "at least 0"]),
        ({"en": float("nan")}, ["en=nan", "a weight must be a number"]),
        ({"en": "much"}, ["en='much'", "a weight must be a number"]),
        ({"en": 0, "sw": 0.0}, ["all weights are 0", "a positive weight"]),
    ],
)
def test_a_spec_that_means_nothing_says_which_value_and_what_to_write(spec, words):
    with pytest.raises(ValueError) as error:
        parse_mixture(spec, LANGUAGES, 100)
    for word in ["config.mixture.spec=", *words]:
        assert word in str(error.value)


def test_fields_beside_the_spec_are_checked_by_name():
    cases = [
        ({"languages": ("en", "sw", "en")}, "config.languages=['en', 'sw', 'en']: 'en'"),
        ({"base": "xx"}, "base='xx' is not in config.languages"),
        ({"examples": 0}, "config.mixture.examples=0: must be at least 1"),
        ({"examples": 1.5}, "config.mixture.examples=1.5: must be a whole number"),
        ({"composition": "mixed"}, "config.mixture.composition='mixed'"),
        ({"granularity": "row"}, "config.mixture.granularity='row'"),
    ]
    for change, words in cases:
        with pytest.raises(ValueError) as error:
            parse_mixture(
                **{"spec": "pinch:10", "languages": ("en", "sw"), "examples": 10, **change}
            )
        assert words in str(error.value)


def test_a_budget_beyond_the_corpus_names_language_budget_available_and_fix():
    ids = {"en": [f"{i}" for i in range(100)], "sw": [f"{i}" for i in range(40)]}
    with pytest.raises(ValueError, match=r"'sw' has a budget of 50 .* has 40 available; lower"):
        assign(parse_mixture("uniform:en,sw", ("en", "sw"), 100), ids, 0)
    with pytest.raises(
        ValueError, match=r"the mixture has a budget of 41 .* only 40 are available"
    ):
        assign(parse_mixture("pinch:10", ("en", "sw"), 41), ids, 0)
    parallel = parse_mixture({"en": 41, "sw": 1}, ("en", "sw"), 42, composition="parallel")
    with pytest.raises(ValueError, match=r"'en' has a budget of 41 .*only 40 .*'sw' has 40"):
        assign(parallel, ids, 0)
    with pytest.raises(ValueError, match="the corpus has no 'fi'"):
        assign(parse_mixture("pinch:10", ("en", "fi"), 10), ids, 0)


def test_shares_are_apportioned_to_the_earlier_language_on_a_tie():
    assert apportion([Fraction(1, 3)] * 3, 4) == [2, 1, 1]
