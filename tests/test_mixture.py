"""The mixture's arithmetic: exact budgets, nested arms, clear errors."""

from fractions import Fraction
from itertools import chain, pairwise, permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinch_jax.data.mixture import assign, parse_mixture
from pinch_jax.data.order import apportion
from pinch_jax.data.selection import select_languages

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


def rows_of(mixture, available, lengths=None):
    """{language: rows it gives, as a list}."""
    assigned = assign(mixture, available, lengths)
    assert set().union(*(own.tolist() for own in assigned.values())) <= set(range(available))
    return {language: own.tolist() for language, own in assigned.items()}


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
    for (i, up), (j, down) in permutations(enumerate(quotas), 2):
        assert abs(budgets[i] - up) < 1
        if budgets[i] > up and budgets[j] <= down:  # i was rounded up and j was not
            assert up % 1 >= down % 1


@quick
@given(tables, st.integers(1, 400), st.sampled_from(["disjoint", "parallel"]), seeds)
@example({"ar": 5, "zh": 1, "cs": 2}, 5, "disjoint", 0)  # places owned and budgets differ by one
def test_each_language_gives_as_many_distinct_ids_as_its_budget(table, n, composition, seed):
    mixture = parse_mixture(table, LANGUAGES, n, seed=seed, composition=composition)
    given_ids = rows_of(mixture, n + 7)
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
@given(tables, st.integers(1, 60), st.permutations(LANGUAGES), st.sampled_from([0, 30]), seeds)
def test_what_a_language_gives_does_not_depend_on_where_it_is_listed(table, n, turned, size, seed):
    lengths, how = random_lengths(9, 90, seed), {"supervised_tokens": size}
    first, other = (
        parse_mixture(table, languages, 0 if size else n, seed=seed, **how)
        for languages in (LANGUAGES, turned)
    )
    assert first.budgets == other.budgets
    assert rows_of(first, 90, lengths) == rows_of(other, 90, lengths)


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
    small, large = (
        parse_mixture(f"pinch:{percent}{family}", LANGUAGES, n, seed=seed, composition=composition)
        for percent in (lower, upper)
    )
    small, large = rows_of(small, n + 5), rows_of(large, n + 5)
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
    few = parse_mixture(f"pinch:n{count}{family}", LANGUAGES, n, seed=seed)
    more = parse_mixture(f"pinch:{p}{family}", LANGUAGES, n, seed=seed)
    assert n - few.budgets["en"] == count
    small, large = (few, more) if few.budgets["en"] >= more.budgets["en"] else (more, few)
    small, large = rows_of(small, n + 5), rows_of(large, n + 5)
    assert pairs(small, but="en") <= pairs(large, but="en")
    assert set(large["en"]) <= set(small["en"])


@pytest.mark.parametrize("n", [5, 11, 17, 79, 97, 200])
@pytest.mark.parametrize("family", ["", ":fi,sw,ar"])
def test_arms_are_nested_up_to_where_the_base_gives_nothing(n, family):
    counts = [*range(max(n - 12, 0), n + 1)]
    shares = ["90", "95", "98", "99", "99.5", "99.9", "100"]
    for seed in range(10):
        for arms in ([f"n{count}" for count in counts], shares):
            mixtures = [
                parse_mixture(f"pinch:{arm}{family}", LANGUAGES, n, seed=seed) for arm in arms
            ]
            rows = [pairs(rows_of(mixture, n + 5), but="en") for mixture in mixtures]
            assert all(small <= large for small, large in pairwise(rows))


def test_the_same_ids_serve_every_arm():
    def rows(spec, seed):
        return rows_of(parse_mixture(spec, LANGUAGES, 90, seed=seed), 200)

    specs = ["monolingual:sw", "monolingual:en", "pinch:n40", "pinch:100", "uniform:es,ru"]
    assert len({frozenset(chain(*rows(spec, 3).values())) for spec in specs}) == 1
    assert rows(specs[0], 3) == rows(specs[0], 3)
    assert set(rows(specs[0], 4)["sw"]) != set(rows(specs[0], 3)["sw"])


def random_lengths(longest, examples, seed):
    draw = np.random.default_rng(seed)
    return {language: draw.integers(1, longest + 1, examples) for language in LANGUAGES}


@quick
@given(tables, st.integers(1, 4000), st.sampled_from(["disjoint", "parallel"]), seeds)
def test_budgets_in_tokens_are_met_to_within_half_an_example(table, size, composition, seed):
    lengths = random_lengths(40, 4200, seed)
    how = {"composition": composition, "supervised_tokens": size}
    mixture = parse_mixture(table, LANGUAGES, 0, seed=seed, **how)
    rows = rows_of(mixture, 4200, lengths)
    assert sum(mixture.budgets.values()) == size
    for language, own in rows.items():
        given_tokens = lengths[language][own]
        off = abs(given_tokens.sum() - mixture.budgets[language])
        assert 2 * off <= max([*given_tokens, *lengths[language][:0], 40])
        assert own or 2 * mixture.budgets[language] <= 40
    together = list(chain(*rows.values()))
    if composition == "disjoint":
        assert len(set(together)) == len(together)
    else:
        longest = max(rows.values(), key=len)
        assert all(own == longest[: len(own)] for own in rows.values())


@quick
@given(percents, percents, st.integers(1, 600), seeds)
def test_arms_counted_in_tokens_are_nested_but_for_the_base(p, q, size, seed):
    lengths = random_lengths(9, 1800, seed)
    arms = (
        parse_mixture(f"pinch:{percent}", LANGUAGES, 0, seed=seed, supervised_tokens=size)
        for percent in sorted((p, q), key=Fraction)
    )
    small, large = (rows_of(mixture, 1800, lengths) for mixture in arms)
    assert pairs(small, but="en") <= pairs(large, but="en")


@quick
@given(st.data(), st.integers(1, 1500))
def test_a_schedule_gives_each_language_the_integral_of_its_share(data, n):
    shape = data.draw(st.sampled_from(["linear", "cosine", "piecewise"]))
    specs = data.draw(st.lists(st.sampled_from(["monolingual:en", "pinch:100", "pinch:7",
                      "uniform:fi,sw", "weights:en=1,ar=3"]), min_size=2, max_size=4))  # fmt: skip
    mixture = parse_mixture(f"{shape}:" + "..".join(specs), LANGUAGES, n)
    knots = [parse_mixture(spec, LANGUAGES, n).shares for spec in specs]
    for language, share, *values in zip(LANGUAGES, mixture.shares, *knots, strict=True):
        if shape == "piecewise":
            mean = sum(values) / len(values)
        else:  # the trapezoid rule is exact for a line, and for half a cosine wave
            mean = (sum(values) - (values[0] + values[-1]) / 2) / (len(values) - 1)
        assert share == mean
        assert abs(mixture.budgets[language] - n * mean) < 1 + 1e-5
    assert sum(mixture.budgets.values()) == n


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
    assert sorted(forty[language] for language in others) == 4 * [3] + 7 * [4]
    assert parse_mixture("uniform:es,en", LANGUAGES, 10) == parse_mixture(
        {"en": 0.1, "es": 0.1}, LANGUAGES, 10
    )
    assert parse_mixture({"en": 0.9, "sw": 0.1}, LANGUAGES, 10) == parse_mixture(
        {"sw": 1, "en": 9}, LANGUAGES, 10
    )


def test_a_count_by_a_strategy_stands_for_the_languages_that_it_selects():
    def members(spec):
        return {code for code, n in parse_mixture(spec, LANGUAGES, 90).budgets.items() if n}

    for strategy, seed in [("family", 0), ("script", 0), ("random", 7), ("random", 8)]:
        chosen = select_languages(strategy, 4, LANGUAGES, "en", seed)
        name = f"4-by-{strategy}" + (str(seed) if seed else "")
        assert members(f"uniform:{name}") == members(f"pinch:90:{name}") == set(chosen)
    assert members("uniform:4-by-random7") != members("uniform:4-by-random8")


def test_a_spec_may_begin_with_its_composition():
    plain = parse_mixture("pinch:10", LANGUAGES, 60, composition="parallel")
    assert parse_mixture("parallel:pinch:10", LANGUAGES, 60) == plain
    assert parse_mixture("disjoint:pinch:10", LANGUAGES, 60, composition="parallel") != plain
    table = parse_mixture({"en": 1}, LANGUAGES, 60, composition="parallel")
    assert parse_mixture("parallel:monolingual:en", LANGUAGES, 60) == table
    for spec in ("parallel", "parallel:", "parallel:disjoint:pinch:10"):
        with pytest.raises(ValueError, match="is not the name of a mixture"):
            parse_mixture(spec, LANGUAGES, 60)


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
        ("pinch:10:en", ["no language but the base 'en'"]),
        ("uniform:es,en,es", ["'es' twice"]),
        ("monolingual:es,en", ["is one language", "'uniform:es,en'"]),
        ("pinch", ["not the name of a mixture", "'monolingual:sw'"]),
        ("linear:pinch:10", ["from one mixture to another", "'linear:monolingual:en..pinch:100'"]),
        ("cosine:pinch:10@0.5..pinch:20", ["some points have an @"]),
        ("linear:pinch:10@0.5..pinch:20@0.4", ["must rise from 0 to 1"]),
        ("piecewise:pinch:10@0.1..pinch:20@0.4", ["the first piece begins at 0"]),
        ("linear:pinch:10..pinch:200", ["'pinch:200'", "P must be between 0 and 100"]),
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
        ({"examples": 1.5}, "config.mixture.examples=1.5: must be of type int"),
        ({"composition": "mixed"}, "config.mixture.composition: 'mixed' is not known"),
        ({"granularity": "row"}, "config.mixture.granularity: 'row' is not known"),
        ({"supervised_tokens": 9}, "are two sizes of one mixture; set one of them to 0"),
        ({"supervised_tokens": 9, "examples": 0, "spec": "linear:pinch:1..pinch:9"}, "a schedule"),
        ({"supervised_tokens": 9, "examples": 0, "spec": "pinch:n4"}, "counts examples"),
        ({"recipes": ("en",)}, "config.mixture.recipes=['en']: 'en' stands twice"),
    ]
    for change, words in cases:
        with pytest.raises(ValueError) as error:
            parse_mixture(
                **{"spec": "pinch:10", "languages": ("en", "sw"), "examples": 10, **change}
            )
        assert words in str(error.value)


def test_a_budget_beyond_the_corpus_names_language_budget_what_is_left_and_the_fix():
    def error(spec, examples, available, **how):
        mixture = parse_mixture(spec, ("en", "sw"), examples, **how)
        with pytest.raises(ValueError) as raised:
            assign(mixture, available, {"en": np.full(100, 7), "sw": np.full(100, 9)})
        return str(raised.value)

    assert "the corpus has only 90 examples to tune on; lower" in error("uniform:en,sw", 100, 90)
    assert "'en' has a budget of 41 examples, and only 40 " in error(
        {"en": 41, "sw": 1}, 42, 40, composition="parallel"
    )
    told = error({"en": 1, "sw": 9}, 0, 100, supervised_tokens=1000)
    assert (
        "config.mixture.supervised_tokens=1000: 'en' has a budget of 100 supervised tokens, and"
        in told
    )


def test_the_seed_and_the_name_decide_a_tie_of_budgets_and_each_is_as_likely_as_another():
    others = [code for code in LANGUAGES if code != "en"]
    counts = dict.fromkeys(others, 0)
    for seed in range(1100):
        forty = parse_mixture("pinch:n40", LANGUAGES, 4640, seed=seed).budgets
        assert sorted(forty[code] for code in others) == 4 * [3] + 7 * [4]
        for code in others:
            counts[code] += forty[code] == 4
    expected, deviation = 1100 * 7 / 11, (1100 * 7 / 11 * 4 / 11) ** 0.5
    assert all(abs(count - expected) < 4.5 * deviation for count in counts.values())
    shares = {code: Fraction(1, 12) for code in LANGUAGES}
    turned = dict(reversed(shares.items()))
    assert apportion(shares, 40, 5) == apportion(turned, 40, 5) != apportion(shares, 40, 6)
