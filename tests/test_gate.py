"""Language first: nobody is asked about what language decides."""

from pinch_jax.corpus.language_id import NO_WORDS, study_words
from pinch_jax.judge import gate
from pinch_jax.judge.gate import LanguageGate
from pinch_jax.judge.protocol import Judgement, Pair

ENGLISH = "The capital of this country is a large city by the sea, as far as I know."
FINNISH = "Tämän maan pääkaupunki on suuri kaupunki meren rannalla, sikäli kuin tiedän."
OTHER = "The capital of this country is a small town in the mountains."
WORDS = study_words({"en": [ENGLISH, OTHER], "fi": [FINNISH]})


class FirstAlways:
    """Names the first response; counts what it was asked."""

    name, identity, version, wording, batch_size, everywhere = "first", "i", "v", "w", 7, True

    def __init__(self):
        self.asked = []

    def judge(self, pairs):
        self.asked += pairs
        return [Judgement("first", 1.5)] * len(pairs)


def pair(language, first, second):
    record = {"id": "1", "language": language, "prompt": "Which capital?"}
    return Pair(record | {"reference": "", "answer": ""}, first, second)


def test_a_wrong_language_loses_in_either_order_and_the_judge_is_asked_only_of_the_rest():
    judge = FirstAlways()
    gated = LanguageGate(judge, WORDS)
    pairs = [
        pair("en", FINNISH, ENGLISH),
        pair("en", ENGLISH, OTHER),
        pair("en", ENGLISH, FINNISH),
        pair("fi", ENGLISH, OTHER),  # both are wrong
        pair("fi", ENGLISH, FINNISH),
        pair("en", "Ja.", ENGLISH),  # too short to be known as wrong
    ]
    told = gated.judge(pairs)
    assert [j.choice for j in told] == ["second", "first", "first", "first", "second", "first"]
    assert [j.by for j in told] == ["language", "judge", "language", "judge", "language", "judge"]
    assert judge.asked == [pairs[1], pairs[3], pairs[5]]
    assert told[0].log_odds is None and told[1].log_odds == 1.5


def test_a_gate_knows_the_words_of_the_study():
    asked = [pair("en", "Maan pääkaupunki", ENGLISH)]
    told = [LanguageGate(FirstAlways(), words).judge(asked)[0].by for words in (WORDS, NO_WORDS)]
    assert told == ["judge", "language"], "too short to tell, where English has words of its own"


def test_what_language_decides_costs_nothing():
    class Paid(FirstAlways):
        def cost(self, pairs):
            return len(list(pairs))

    pairs = [pair("en", FINNISH, ENGLISH), pair("en", ENGLISH, OTHER), pair("fi", FINNISH, OTHER)]
    assert LanguageGate(Paid(), WORDS).cost(pairs) == 1
    assert LanguageGate(FirstAlways(), WORDS).cost(pairs) is None


def test_a_gate_is_part_of_what_a_judge_is_and_its_words_of_the_version_alone(monkeypatch):
    judge = FirstAlways()
    gates = [LanguageGate(judge, words) for words in (WORDS, study_words({"en": [OTHER]}))]
    assert gates[0].identity == gates[1].identity != judge.identity
    assert len({gates[0].version, gates[1].version, judge.version}) == 3
    monkeypatch.setattr(gate, "_RULE", "another rule")
    assert LanguageGate(judge, WORDS).identity != gates[0].identity
    assert (gates[0].batch_size, gates[0].everywhere, gates[0].wording) == (7, True, "w")
