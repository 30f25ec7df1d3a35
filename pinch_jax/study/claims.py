"""The paper's eight findings in words: what is claimed, what is measured here, what decides."""

from typing import NamedTuple

# Where the paper has a word and no number: our choices, named in the rules.
IN_LANGUAGE_PERCENT = 90.0
WEAK_CORRELATION = 0.5
SMALL_DIFFERENCE_POINTS = 10.0


class Claim(NamedTuple):
    """A finding of the paper; `unit` says what the number is that stands beside it."""

    claim: str
    experiment: str
    unit: str
    rule: str


# Source: Shaham et al. (2024), arXiv 2401.01854, sections 3 and 4, appendices E and F.
TRANSFER = Claim(
    claim="Tuned on one language alone, a model follows instructions in the others too: every "
    "monolingual model is better there than the untuned one.",
    experiment="pretrained",
    unit="% against the untuned model, the lowest of the monolingual models",
    rule="Each monolingual model against the untuned one, mean over the languages it was not tuned "
    "on. Holds if every model's interval lies above 50; does not hold if any lies below. The "
    "number and the ends shown are the lowest of all models.",
)
PINCH = Claim(
    claim="P = 1, forty examples, already lifts the other languages sharply; English falls slowly.",
    experiment="pinch",
    unit="points from P = 0 to P = 1, mean of the non-English languages",
    rule="The rise of the other languages' mean from P = 0 to P = 1, and that rise less what "
    "English loses. Holds if both intervals lie above 0; does not hold if either lies below.",
)
REPLACEMENT = Claim(
    claim="P = 100 is as good as or better than the monolingual model in 8 of 12 languages, with "
    "12 times fewer examples in each.",
    experiment="pinch",
    unit="languages in which P = 100 scores at least 50",
    rule="The number of languages in which P = 100 scores at least 50 against the monolingual "
    "model; its interval is from those whose whole interval lies there to those whose interval "
    "reaches it. Holds if at least two thirds of this study's languages surely do; does not hold "
    "if not even so many may.",
)
UNSEEN = Claim(
    claim="With 6 tuning languages, the 6 unseen ones rise likewise at P = 1.",
    experiment="unseen",
    unit="points from P = 0 to P = 1, mean of the unseen languages",
    rule="The rise of the unseen languages' mean from P = 0 to P = 1. Holds if its interval lies "
    "above 0; does not hold if it lies below.",
)
BREADTH = Claim(
    claim="The mean over unseen languages rises from 1 to 2, 3 and 4 tuning languages, to almost "
    "50, then saturates.",
    experiment="breadth",
    unit="points from 1 to 4 tuning languages, mean of the unseen languages",
    rule="Means over the orders of adding languages: the rise from 1 to 4, and the rise for each "
    "language up to 4 less the rise for each beyond. Holds if both intervals lie above 0; does "
    "not hold if either lies below.",
)
PAIRS = Claim(
    claim="Bilingual sets beat both of their monolingual halves on the other 10 languages.",
    experiment="pairs",
    unit="% against the better of the two halves, mean over the pairs",
    rule="For each pair the lower of its two scores, each the mean over this study's other "
    "languages against one half; then the mean over the pairs. Holds if its interval lies above "
    "50; does not hold if it lies below.",
)
PREDICTORS = Claim(
    claim="Neither script nor family nor mutual intelligibility predicts transfer among Slavic "
    "languages; Pearson's correlation with the share in pretraining is weak, 0.22.",
    experiment="pretraining_share",
    unit="Pearson's r of pretraining share and mean transfer",
    rule=f"r, and how much more is transferred between Slavic languages of one script, of one "
    f"branch, and mutually intelligible ones, than between the others. Does not hold if r's "
    f"interval lies beyond {WEAK_CORRELATION} on either side or that of a difference above 0; "
    f"holds if r's lies within and those of all differences below {SMALL_DIFFERENCE_POINTS:g} "
    "points.",
)
SAME_LANGUAGE = Claim(
    claim="The tuned models answer in the language of the instruction.",
    experiment="same_language",
    unit="% of the tuned models' responses in which a language shows",
    rule=f"The share of responses in the language of their instruction, those too short to tell "
    f"left out; mean over all tuned models and languages. Holds if its interval lies "
    f"above {IN_LANGUAGE_PERCENT:g} %; does not hold if it lies below.",
)
