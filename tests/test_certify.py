"""Certificates of judges whose faults are known, because they are made so."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from made_judges import Gated, Made, certified, honest, pair, values

from pinch_jax.errors import UserError
from pinch_jax.judge.battery import kinds
from pinch_jax.judge.certificate import EVERY, kappa_of, read_certificate
from pinch_jax.judge.certify import EQUAL, INJECTED, KNOWN, make_trials
from pinch_jax.judge.pairs import ECHO, WRONG_LANGUAGE
from pinch_jax.judge.telling import sentence, told_lines
from pinch_jax.main import main


def test_an_honest_judge_is_certified_in_every_place_and_by_every_figure(tmp_path):
    pairs = [pair(n, better=("first", "second")[n % 2]) for n in range(40)]
    certificate = certified(Made(honest), pairs, tmp_path)
    english = certificate["languages"]["en"]
    assert english == certificate["languages"][EVERY]
    assert values(english, "agreement") == values(english, "without_ties") == 100
    assert values(english, "kappa") == 1 and 0.8 < english["kappa"]["low"] < 1
    assert values(english, "flips") == 0 and values(english, "named_first") == 50
    assert values(english, "equal", "named_first") == 100, "even is first, by the rule"
    assert values(english, "equal", "false_wins") == 0 == english["equal"]["log_odds"]
    assert values(english, "injections", "obeyed") == 0 == values(english, "injections", "with")
    assert english["calls"] == 2 * (40 + 40 + len(kinds()) * INJECTED)
    assert "In English, made agrees with what is known on 100 %" in sentence(certificate, "en")
    assert sentence(certificate, EVERY) == sentence(certificate, "en")


def test_ties_count_half_and_chance_is_half_of_the_verdicts(tmp_path):
    # Known: 10 better, 4 ties. The judge names 6 right, 2 wrong and ties 2; of the ties 1 is one.
    wise, wrong = {f"{n}" for n in range(6)} | {"12"}, {"6", "7", "10", "11"}

    def rule(first, second):
        number = first.split()[1]
        sign = 1 if number in wise else -1 if number in wrong else 0
        return sign * honest(first, second) if number != "12" else honest(first, second)

    pairs = [pair(n) for n in range(10)] + [pair(n, better="tie") for n in range(10, 14)]
    held = certified(Made(rule), pairs, tmp_path)["languages"]["en"]
    assert held["pairs"] == 14 and held["strict_pairs"] == 10
    # Of the known ties 10, 11 and 12 are decided, and 13 is tied: 1.
    right = 6 + 2 * 0.5 + 3 * 0.5 + 1
    assert values(held, "agreement") == pytest.approx(100 * right / 14)
    assert values(held, "without_ties") == 75
    assert values(held, "flips") == pytest.approx(100 * 3 / 14, abs=1e-4)
    # Cohen's over 20 verdicts on better and worse, by its definition.
    known, said = [], []
    for n, order in itertools.product(range(10), (0, 1)):
        texts = (f"good {n}", f"bad {n}")[:: 1 - 2 * order]
        known.append(order == 0)
        said.append(rule(*texts) >= 0)
    known, said = np.array(known), np.array(said)
    by_chance = known.mean() * said.mean() + (1 - known.mean()) * (1 - said.mean())
    kappa = (np.mean(known == said) - by_chance) / (1 - by_chance)
    assert values(held, "kappa") == pytest.approx(kappa, abs=1e-4)


def test_a_judge_of_places_alone_says_nothing(tmp_path):
    pairs = [pair(n, wrong="bad and very long indeed" * (n % 3 == 0)) for n in range(60)]
    for odds in (2, -2):
        certificate = certified(
            Made(lambda first, second, odds=odds: odds), pairs, tmp_path / str(odds)
        )
        held = certificate["languages"]["en"]
        kappa = kappa_of(certificate, "en")
        assert kappa.value == 0 and kappa.low < 0 < kappa.high
        assert values(held, "named_first") == values(held, "equal", "named_first") == 50 + 25 * odds
        assert held["equal"]["log_odds"] == 2 and values(held, "flips") == 100
        assert values(held, "length", "preferred") == 0, "it is no preference for long responses"
        assert values(held, "length", "coefficient") is None, "nor is it none for certain"
        assert "cannot be told from chance in English" in sentence(certificate, "en")
    wrong = certified(Made(lambda first, second: -honest(first, second)), pairs, tmp_path)
    assert "prefers the worse answer" in sentence(wrong, "en")
    assert "not known" in sentence(wrong, "fi")


def test_a_liking_for_length_is_told_from_one_for_what_is_right(tmp_path):
    rng = np.random.default_rng(1)

    def drawn(n):
        # Right answers are longer in the mean: no judge's liking for them is one for length.
        sizes = rng.integers(1, 30, 2) + np.array([9, 0])
        right, wrong = "good" + "x" * sizes[0], "bad" + "x" * sizes[1]
        return pair(n, right=right, wrong=wrong, better=("first", "second")[n % 2])

    pairs = [drawn(n) for n in range(300)]
    noise = {}

    def rule(liking):
        def odds(first, second):
            error = noise.setdefault((first, second), rng.logistic())
            return 1.0 * honest(first, second) + liking * (len(first) - len(second)) / 12 + error

        return odds

    told, longer = {}, {}
    for liking in (0, 1, -1):
        held = certified(Made(rule(liking)), pairs, tmp_path / str(liking))["languages"]["en"]
        told[liking] = held["length"]["coefficient"], held["length"]["preferred"]
        longer[liking] = values(held, "length", "longer_named")
    for estimate in told[0]:
        # Three standard errors.
        assert abs(estimate["value"]) < 0.77 * (estimate["high"] - estimate["low"])
    for estimate in told[1]:
        assert estimate["low"] > 0
    for estimate in told[-1]:
        assert estimate["high"] < 0
    # The unit is the root mean square of the differences, and 12 characters are a nat.
    unit = np.sqrt(np.mean([(len(p.first) - len(p.second)) ** 2 for p in pairs]))
    assert told[1][0]["low"] < unit / 12 < told[1][0]["high"] < 2
    assert longer[-1] < longer[0] < longer[1] and longer[1] > 70


def test_intervals_are_over_prompts(tmp_path):
    def rule(first, second):
        return honest(first, second) * (1 if first[-1:] in "12578" else -1)

    once = [pair(n) for n in range(30)]
    again = [dataclasses.replace(one, prompt=one.prompt + " ", source="again") for one in once]
    abroad = [dataclasses.replace(one, language="fi") for one in once]
    alone = certified(Made(rule), once, tmp_path)["languages"][EVERY]
    for more in (again, abroad):
        held = certified(Made(rule), once + more, tmp_path)["languages"][EVERY]
        assert held["pairs"] == 60 and held["prompts"] == 30
        assert held["agreement"] == pytest.approx(alone["agreement"])


def test_obedience_is_what_an_injection_adds(tmp_path):
    pairs = [
        pair(n, code, better=("first", "second")[n % 2]) for n in range(20) for code in ("ar", "en")
    ]
    obeyed = certified(
        Made(lambda a, b: 9 * ((len(a) > 9) - (len(b) > 9)) or honest(a, b)), pairs, tmp_path / "a"
    )
    for code in ("ar", "en", EVERY):
        held = obeyed["languages"][code]["injections"]
        assert (values(held, "without"), values(held, "with"), values(held, "obeyed")) == (
            0,
            100,
            100,
        )
        assert held["moved"] == 11, "from -2 to 9"
    told = sentence(obeyed, EVERY)
    assert told.startswith("In the 2 languages of its certificate, made agrees"), "of no others"
    # One that prefers wrong answers anyhow obeys nothing.
    stubborn = certified(Made(lambda a, b: -honest(a, b)), pairs, tmp_path / "b")
    held = stubborn["languages"][EVERY]["injections"]
    assert (values(held, "without"), values(held, "obeyed")) == (100, 0)
    # And one that always names the first place is moved, if it is, without a verdict that changes.
    place = certified(
        Made(lambda a, b: 9 + 3 * ((len(a) > 9) - (len(b) > 9))), pairs, tmp_path / "c"
    )["injections"]
    assert {values(place[kind], EVERY, "obeyed") for kind in kinds()} == {0}
    assert {place[kind][EVERY]["moved"] for kind in kinds()} == {3}


def test_pairs_that_language_decides_say_nothing_of_the_judge(tmp_path):
    pairs = [pair(n) for n in range(10, 30)]
    judge = Gated(lambda a, b: 1)
    certificate = certified(judge, pairs, tmp_path)
    held = certificate["languages"]["en"]
    assert held["by_language"] == {"pairs": 10, "agreement": held["by_language"]["agreement"]}
    assert values(held, "by_language", "agreement") == 100
    assert held["pairs"] == 10 and values(held, "kappa") == 0
    injections = [t for t in make_trials(pairs) if t.about not in (KNOWN, EQUAL)]
    asked = sum(trial.pair.id >= "2" for trial in injections)
    assert 0 < held["injections"]["pairs"] == asked < len(injections)
    # An injection has nothing to be held against where language decided the pair without it.
    judge = Gated(lambda a, b: 1, version="2")
    judge.decides = lambda pair: len(pair.first + pair.second) < 20
    certificate = certified(judge, pairs, tmp_path)
    held = certificate["languages"]["en"]
    assert held["injections"]["pairs"] == held["pairs"] == 0
    assert np.isnan(kappa_of(certificate, "en").low)
    # And what it says of an injection that language decided is nothing.
    judge = Gated(lambda a, b: 1, version="3")
    judge.decides = lambda pair: len(pair.first + pair.second) > 20
    held = certified(judge, pairs, tmp_path)["languages"]["en"]
    assert held["injections"]["pairs"] == 0 and held["pairs"] == 20


def test_what_a_judge_can_tell_by_looks_is_in_no_figure_but_its_own(tmp_path):
    echoes = [pair(n, wrong="bad echo", source=ECHO) for n in range(10)]
    abroad = [pair(n, wrong="bad abroad", source=WRONG_LANGUAGE) for n in range(10)]

    def rule(first, second):
        return honest(first, second) * (1 if "echo" in first + second else -1)

    pairs = [pair(n) for n in range(10)] + echoes + abroad
    held = certified(Made(rule), pairs, tmp_path)["languages"]["en"]
    assert held["pairs"] == 10 and values(held, "kappa") == -1
    told = {name: values(of, "agreement") for name, of in held["sources"].items()}
    assert told == {"made": 0, ECHO: 100, WRONG_LANGUAGE: 0}


@pytest.mark.filterwarnings("ignore:the load_module")  # of ml_collections
def test_the_command_certifies_the_reference_judge_and_goes_on(tmp_path, capsys):
    output = tmp_path / "certificate.json"
    call = ["pinch", "certify", "--judge=reference", f"--output={output}", "--sample=6"]
    config = tmp_path / "two.py"
    config.write_text(
        "from ml_collections_configs import tiny\n\n\ndef get_config():\n"
        "    c = tiny.get_config()\n    c.languages = ('en', 'sw')\n    return c\n"
    )
    call.append(f"--config={config}")
    with pytest.raises(SystemExit):
        main(call)
    said = capsys.readouterr()
    certificate = read_certificate(output)
    assert list(certificate["languages"]) == ["en", "sw", EVERY]
    assert "In Swahili, reference-5 agrees" in said.out
    assert all(line in said.out for line in told_lines(certificate))
    lines = (tmp_path / "certificate.json.verdicts.jsonl").read_text()
    with pytest.raises(SystemExit):
        main(call)
    assert read_certificate(output) == certificate
    assert (tmp_path / "certificate.json.verdicts.jsonl").read_text() == lines
    content = json.loads(output.read_text())
    content["judge"]["name"] = "better"
    output.write_text(json.dumps(content))
    with pytest.raises(UserError, match="run `pinch certify` again"):
        read_certificate(output)


def test_a_pair_with_a_verdict_in_one_order_alone_is_in_no_figure(tmp_path):
    def rule(first, second):
        return None if first in ("good 3", "bad 4", "good 5 ") else honest(first, second)

    held = certified(Made(rule), [pair(n) for n in range(10)], tmp_path)["languages"]["en"]
    assert held["pairs"] == 8 and held["equal"]["pairs"] == 8, "one order is half an outcome"
    assert values(held, "agreement") == 100 and held["without_verdict"] > 4
