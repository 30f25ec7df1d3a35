"""What stands around the sections of the page, and those that are no experiment's."""

from pinch_jax.study.experiments.interface import Words

# The kinds of study/outcomes.py.
KIND_NAMES = {
    "exact": "right, word for word",
    "answer": "right, otherwise worded",
    "wrong_answer": "wrong answer",
    "right_elsewhere": "wrong language, right answer",
    "wrong_language": "wrong language, wrong answer",
    "echo": "echo of the prompt",
    "too_short": "too short or nothing",
}

# What stands around the sections.
PROSE = {
    "title": "How much multilinguality does instruction tuning need?",
    "kicker": "A reproduction of “Multilingual Instruction Tuning With Just a Pinch of "
    "Multilinguality” (Shaham et al., 2024) with pinch_jax",
    "findings": "What the paper found, held against this study",
    "findings_lead": "A verdict is decided by the 95 % interval alone. A score is the "
    "discounted-tie score of a side-by-side comparison: win 1, tie ½, loss 0, in percent of the "
    "prompts; 50 is a model like its baseline. Intervals are Jeffreys', for as many prompts as the "
    "values are worth; differences are paired.",
    "sample": "The same prompts in every language",
    "sample_caption": "The shortest held-out prompts of their tasks, and what these models "
    "answered. Not chosen by the answers.",
    "provenance": "Configuration and provenance",
    "provenance_lead": "What it takes to repeat this study.",
}

# What each judge prefers, by `config.study.judge`.
JUDGES = {
    "reference": "the reference alone. The better response says something, is in the language of "
    "the prompt and no echo of it, has the right answer, is the reference itself, or shares more "
    "with it (chrF), in this order",
}

# Of what is no experiment.
WORDS = {
    "outcomes": Words(
        short="Outcomes",
        title="Right, wrong, or no answer",
        lead="What became of the questions that have an answer? Every response is of one kind. "
        "Right: the reference itself, or the right answer and no other one, otherwise worded. "
        "Wrong answer: in the language of the prompt, and not the answer, or several at once. "
        "Wrong language: in another one than the prompt, be it the right answer, as that language "
        "has it, or a wrong one. Echo: the prompt once more, or its beginning. Too short: no "
        "language shows and it is not the answer, or nothing was said.",
        caption="A row is a model, a bar the responses to the questions in one language, 100 % "
        "wide. The line over a bar of the mean is the 95 % interval of what is right. Intervals "
        "are over the prompts, which the languages share.",
        pointer="Rest the pointer on a bar for its numbers.",
    ),
    "exact_match": Words(
        short="Exact match",
        title="Do the models answer at all",
        lead="Exact match of each monolingual model on held-out questions in its own language. "
        "Without it the other figures would mean nothing.",
        caption="Chance is the exact match of always giving the most frequent tuning answer of "
        "the task. Error bars are 95 % intervals; the dashed line is the median language.",
    ),
    "training": Words(
        short="Training",
        title="Training curves",
        lead="Loss over the supervised tokens of each step, of every tuned run.",
        caption="A run stands in every experiment that uses it.",
        pointer="Rest the pointer on a line for its name.",
    ),
    "composition": Words(
        short="Composition",
        title="What every model was tuned on",
        lead="Every set has the same number of examples; its number of tokens is not the same, "
        "because languages differ in tokens per example.",
        caption="A row is a tuning set. Every segment is a language; those too narrow for their "
        "code are in the table.",
        pointer="Rest the pointer on a segment for its number.",
    ),
}
