"""What `pinch mixture` tells of a plan, held against the plan's own batches and examples."""

import collections
import json
import re
import sys

import numpy as np
import pytest
from batch_shapes import batch_shape
from test_schedule import share_at

from ml_collections_configs import tiny
from pinch_jax.corpus.example import Example
from pinch_jax.data.mixture import parse_mixture
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import tokenize_corpus
from pinch_jax.main import main
from pinch_jax.report import mixture, mixture_plot
from pinch_jax.report.drawing import BASE_COLOUR, language_colours

LANGUAGES = ("ar", "en", "fi", "sw")
RECIPES = ("translation-en-fi",)
MEMBERS = LANGUAGES + RECIPES


# Response lengths that differ by member; every seventeenth one in Finnish is longer than a row.
EXAMPLES = {
    member: [
        Example(
            f"x{i}",
            "",
            "",
            "",
            "?" * (2 + n),
            "é" * (70 if member == "fi" and not i % 17 else 3 + i % 5),
        )
        for i in range(120)
    ]
    for n, member in enumerate(MEMBERS)
}
LENGTHS = {
    (member, e.id): (len(e.prompt) + len(e.response), len(e.response))
    for member, examples in EXAMPLES.items()
    for e in examples
}


def render(prompt, response):
    return [1] * len(prompt) + [2] * len(response), len(prompt)


CORPUS = tokenize_corpus(EXAMPLES, 0, render)


def planned(spec, examples=100, epochs=2, seed=0, **how):
    parsed = parse_mixture(spec, LANGUAGES, examples, seed=seed, recipes=RECIPES, **how)
    return plan_batches(parsed, CORPUS, batch_shape(4, 60, 60), epochs)


PLAN = planned("weights:en=6,fi=3,translation-en-fi=1")


def cells(line):
    return re.split(r"\s{2,}", line.strip())


def tables(lines):
    """The rows of the two tables as {first cell: other cells}, a language's name left out."""
    found = []
    for line in lines:
        if set(line) == {"-"} and (not found or "total" in found[-1]):
            found.append({})
        elif set(line) != {"-"} and found and line and "total" not in found[-1]:
            name, *rest = cells(line)
            found[-1][name] = rest[1:] if name in LANGUAGES else rest
    return found


def counted(plan, steps):
    """{unit: [step][member]} of examples, tokens and supervised tokens, one example at a time."""
    units = [np.zeros((len(steps), len(MEMBERS)), int) for _ in range(3)]
    for row, step in enumerate(steps):
        for name in plan.examples_at(step):
            for unit, size in zip(units, (1, *LENGTHS[name]), strict=True):
                unit[row, MEMBERS.index(name[0])] += size
    return units


@pytest.mark.parametrize("steps", [None, range(3, 8)])
def test_the_tables_hold_what_the_batches_hold(steps):
    lines = mixture.mixture_table(PLAN, steps)
    steps = steps or range(PLAN.steps)
    units = counted(PLAN, steps)
    sums, per_step = tables(lines)
    for member in [*("en", "fi", "translation-en-fi"), "total"]:
        at = slice(None) if member == "total" else [MEMBERS.index(member)]
        expected_sums, expected_steps = [], []
        for unit in units:
            own, total = unit[:, at].sum(axis=1), unit.sum()
            expected_sums += [f"{own.sum():,}", f"{100 * own.sum() / total:.2f} %"]
            expected_steps += [f"{own.min():,}", f"{own.sum() / len(steps):,.1f}", f"{own.max():,}"]
        if len(steps) == PLAN.steps:
            dropped = sum(PLAN.dropped.values()) if member == "total" else PLAN.dropped[member]
            assert dropped or member in ("en", "translation-en-fi")
            expected_sums.append(f"{dropped:,}")
        assert sums[member] == expected_sums
        assert per_step[member] == expected_steps
    empty = np.mean([PLAN.batch_at(step).segments == 0 for step in steps])
    assert lines[-2].endswith(f"{100 * empty:.2f} % of them are padding")
    assert lines[-1] == "without an example: ar, sw"


def test_json_lines_hold_counts_and_ids_of_each_step():
    lines = [json.loads(line) for line in mixture.mixture_lines(PLAN, range(1, 4))]
    assert [line["step"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert list(line) == ["step", "examples", "tokens", "supervised_tokens", "ids"]
        assert [tuple(pair) for pair in line["ids"]] == PLAN.examples_at(line["step"])
        held = counted(PLAN, [line["step"]])
        for unit, counts in zip(("examples", "tokens", "supervised_tokens"), held, strict=True):
            assert line[unit] == {m: n for m, n in zip(MEMBERS, counts[0], strict=True) if n}


def seen(plan):
    """{id: [(step, member)]} of a run."""
    found = collections.defaultdict(list)
    for step in range(plan.steps):
        for member, id in plan.examples_at(step):
            found[id].append((step, member))
    return found


@pytest.mark.parametrize("other", ["pinch:60", "monolingual:en", "uniform:sw,translation-en-fi"])
@pytest.mark.parametrize("steps", [None, range(2, 5)])
def test_every_example_that_two_runs_do_not_have_alike_is_told(other, steps):
    first, second = planned("pinch:30"), planned(other, examples=80, epochs=1, seed=1)
    told = {}
    for line in mixture.diff_lines(first, second, steps):
        record = json.loads(line)
        a, b = ([tuple(place) for place in record[run]] for run in ("config", "against"))
        assert record["id"] not in told
        told[record["id"]] = (a, b)
        languages = [{member for _, member in places} for places in (a, b)]
        assert record["change"] == (
            "only_config" if not b else
            "only_against" if not a else
            "language" if languages[0] != languages[1] else
            "step"
        )  # fmt: skip
    one, two = seen(first), seen(second)
    differing = {id: (one[id], two[id]) for id in {*one, *two} if one[id] != two[id]}
    assert len(differing) > 90
    if steps:
        differing = {
            id: (a, b)
            for id, (a, b) in differing.items()
            if any(step in steps for step, _ in (*a, *b))
        }
    assert told == differing


def test_a_person_sees_counts_by_language_and_by_change():
    first, second = planned("pinch:30", epochs=1), planned("pinch:60", epochs=1)
    lines = mixture.diff_table(first, second)
    (counts,) = tables(lines)
    pairs = [
        {(member, id) for id, places in seen(plan).items() for _, member in places}
        for plan in (first, second)
    ]
    for member in [*LANGUAGES, "total"]:
        own = [{pair for pair in some if member in (pair[0], "total")} for some in pairs]
        expected = [len(own[0]), len(own[1]), len(own[0] & own[1])]
        assert counts[member] == [str(count) for count in expected]
    moved = {id for _, id in pairs[0] & pairs[1]} ^ {id for _, id in pairs[0]}
    moved &= {id for _, id in pairs[1]}  # those dropped in Finnish are in one run only
    assert f"in another language: {len(moved)}" in lines and len(moved) > 20
    everywhere = mixture.diff_table(first, second, range(first.steps))
    assert lines[:-4] == everywhere[:-4]
    assert mixture.diff_table(first, first)[-1].startswith("every example is in the same")


@pytest.mark.parametrize(
    "spec",
    [
        "weights:en=6,fi=3,translation-en-fi=1",
        "linear:pinch:10..uniform:fi,sw",
        "cosine:monolingual:en@0.2..uniform:ar,en@0.7",
        "piecewise:monolingual:en..uniform:fi,sw@0.5",
    ],
)
def test_what_is_due_is_the_integral_of_the_share_before_anything_is_dropped(spec):
    plan = planned(spec)
    members = mixture.members_of(plan)
    counts = mixture.count_steps(plan, range(plan.steps), members)["examples"]
    due = mixture_plot.due_examples(plan, counts)
    done = np.cumsum(counts.sum(axis=1))
    middles = (np.arange(20_000) + 0.5) / 20_000
    for column, member in enumerate(members):
        index, schedule = plan.mixture.languages.index(member), plan.mixture.schedule
        constant = np.full(20_000, float(plan.mixture.shares[index]))
        shares = share_at(schedule, index, middles) if schedule else constant
        integral = 200 * np.cumsum(shares) / 20_000
        assert np.allclose(due[:, column], integral[100 * done - 1], atol=1e-3)


def test_the_picture_tells_each_member_its_counts_and_its_deviation(tmp_path):
    mixture_plot.plot_mixture(PLAN, tmp_path / "mixture.svg", "a name")
    texts = re.findall(r">([^<>]+)</text>", (tmp_path / "mixture.svg").read_text())
    words = [" ".join(text.split()) for text in texts]
    examples = counted(PLAN, range(PLAN.steps))[0]
    done, total = np.cumsum(examples, axis=0), np.cumsum(examples.sum(axis=1))
    assert "a name" in words
    for member, share in (("en", 0.6), ("fi", 0.3), ("translation-en-fi", 0.1)):
        own = examples[:, MEMBERS.index(member)]
        ahead = done[:, MEMBERS.index(member)] - share * total
        told = f"{own.sum()} examples, {own.min()} to {own.max()} a step"
        assert " ".join(f"{mixture.label(member)}: {told}".split()) in words
        least, most = (f"{end:+.2f}".replace("-", "−") for end in (ahead.min(), ahead.max()))
        assert f"ahead of its share: {least} to {most}" in words


def test_a_long_run_is_drawn_as_means_of_stretches_and_a_picture_needs_a_known_suffix(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(mixture_plot, "MOST_STRETCHES", 5)
    counts = mixture.count_steps(PLAN, range(PLAN.steps), MEMBERS)["examples"]
    edges, means = mixture_plot.stretches(counts)
    assert len(edges) == 6 and edges[0] == 0 and edges[-1] == PLAN.steps > 6
    for first, last, mean in zip(edges, edges[1:], means, strict=False):
        assert np.allclose(mean, counts[first:last].mean(axis=0))
    mixture_plot.plot_mixture(PLAN, tmp_path / "mixture.png", "")
    assert (tmp_path / "mixture.png").read_bytes().startswith(b"\x89PNG")
    mixture_plot.plot_mixture(PLAN, tmp_path / "mixture.svg", "")
    drawn = (tmp_path / "mixture.svg").read_text()
    assert BASE_COLOUR in drawn and language_colours(LANGUAGES)["fi"] in drawn
    with pytest.raises(ValueError, match=r"--plot=.*mixture\.foo: end its name with .*\.png"):
        mixture_plot.plot_mixture(PLAN, tmp_path / "mixture.foo", "")


def test_steps_that_are_not_in_the_run_are_refused():
    with pytest.raises(ValueError, match=rf"--steps: none of them .* part of 0:{PLAN.steps}"):
        mixture.mixture_table(PLAN, range(99, 99))


@pytest.mark.filterwarnings("ignore:the load_module")  # ml_collections
def test_the_command_takes_two_configs_and_changes_to_each(tmp_path, capsys, monkeypatch):
    def config(flag, spec):
        changes = {"languages": "('en', 'fi')", "study.experiments": "('pinch',)"}
        changes |= {"corpus.data_dir": tmp_path, "mixture.examples": 30, "mixture.spec": spec}
        return [f"--{flag}={tiny.__file__}", *(f"--{flag}.{k}={v}" for k, v in changes.items())]

    command = ["pinch", "mixture", *config("config", "pinch:20"), *config("against", "pinch:60")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    lines = capsys.readouterr().out.splitlines()
    changes = collections.Counter(json.loads(line)["change"] for line in lines)
    assert changes["language"] == 9 - 3 and set(changes) == {"language", "step"}
