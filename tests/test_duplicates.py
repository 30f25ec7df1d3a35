"""Duplicates between training and held-out prompts: those that comparing every pair finds."""

import random

import pytest

from pinch_jax.corpus.duplicates import find_duplicates, folded, shingles
from pinch_jax.corpus.example import Example


def examples(prompts, name):
    return [
        Example(f"{name}{i}", f"{name}{i}", "t", "en", prompt, "", "", False)
        for i, prompt in enumerate(prompts)
    ]


def made_up(random_source, size):
    """Prompts that share words, some of them cut, repeated or changed in one place."""
    words = ["river", "Fluss", "joki", "河流", "kwa", "नदी", "a", "of", "the", "12", "swims"]
    prompts = []
    for _ in range(size):
        text = " ".join(random_source.choices(words, k=random_source.randrange(1, 9)))
        if prompts and random_source.random() < 0.5:
            text = random_source.choice(prompts)
            place = random_source.randrange(len(text))
            text = text[:place] + random_source.choice(["", "x", ", ", text[:4]]) + text[place:]
        prompts.append(text)
    return prompts


def by_brute_force(train, heldout, threshold):
    found = []
    for one in train:
        best = None
        for other in heldout:
            a, b = (shingles(folded(e.prompt)) for e in (one, other))
            exact = folded(one.prompt) == folded(other.prompt)
            likeness = 1.0 if exact else len(a & b) / len(a | b)
            # An exact one comes before one that only has the same shingles.
            if likeness >= threshold and (best is None or (likeness, exact) > best[2:]):
                best = other.id, "exact" if exact else "near", likeness, exact
        if best:
            found.append((one.id, *best[:3]))
    return found


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 0.8, 1.0])
def test_what_is_found_is_what_comparing_every_pair_finds(threshold):
    source = random.Random(threshold)
    prompts = made_up(source, 240)
    source.shuffle(prompts)
    train, heldout = examples(prompts[:160], "t"), examples(prompts[160:], "h")
    found = find_duplicates(iter(train), heldout, threshold)
    expected = by_brute_force(train, heldout, threshold)
    kinds = {kind for _, _, kind, _ in expected}
    assert kinds == ({"exact", "near"} if threshold < 1 else {"exact"}) and len(expected) > 3
    assert [(d.train_id, d.heldout_id, d.kind, d.similarity) for d in found] == [
        (*rest, pytest.approx(likeness)) for *rest, likeness in expected
    ]


def test_case_width_spaces_and_punctuation_do_not_make_a_prompt_new():
    heldout = examples(["What’s new, in  Rome?", "用中文介绍一下罗马。", "रोम में क्या है?"], "h")
    train = examples(
        ["WHAT'S NEW IN\nROME", "用中文，介绍一下罗马", "रोम में क्या है।", "रम म कय ह"], "t"
    )
    found = find_duplicates(train, heldout, 0.8)
    assert [(d.train_id, d.heldout_id, d.kind) for d in found] == [
        (f"t{i}", f"h{i}", "exact") for i in range(3)
    ]
    # A symbol is no punctuation.
    assert not find_duplicates(examples(["2 + 2"], "t"), examples(["2 - 2"], "h"), 0.8)
    # Punctuation alone is not nothing: two such prompts may differ.
    assert not find_duplicates(examples(["?!"], "t"), examples(["...", ""], "h"), 0.8)


def test_similarity_is_the_share_of_common_runs_of_five_characters():
    train, heldout = examples(["abcdefghij"], "t"), examples(["abcdefghiX", "bcdefghij"], "h")
    (found,) = find_duplicates(train, heldout, 0.5)  # five of seven runs, and five of six
    assert (found.heldout_id, found.similarity) == ("h1", 5 / 6)
    assert not find_duplicates(train, heldout, 0.84)


def test_of_5000_prompts_the_50_that_say_what_one_of_800_says_are_found():
    source = random.Random(0)
    letters = "etaoinshrdlu"
    words = ["".join(source.choices(letters, k=source.randrange(2, 9))) for _ in range(3000)]
    prompts = [" ".join(source.choices(words, k=30)) for _ in range(5800)]
    prompts[:50] = [f"{prompt} please" for prompt in prompts[-50:]]
    found = find_duplicates(examples(prompts[:5000], "t"), examples(prompts[5000:], "h"), 0.8)
    assert [d.train_id for d in found] == [f"t{i}" for i in range(50)]
