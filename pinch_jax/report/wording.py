"""What each section of the page asks and how its figure is read."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Wording:
    """`short` stands in the navigation; `paper` is the figure of the paper, if it has one.

    `pointer` says what the pointer shows, where there is one.
    """

    short: str
    title: str
    paper: str
    lead: str
    caption: str
    pointer: str = ""


_HEAT = (
    "Every column has its own colour scale, of 10 points or more: compare colours within a column "
    "only. The struck-out diagonal is 50 by construction and takes no part in colours and means. "
    "A dot: the cell differs from 50 after Holm's correction over the table (p < 0.05)."
)
_CELL = "Rest the pointer on a cell for its interval."
_BANDS = "Bands are 95 % intervals over the prompts; the dashed line is 50."
_BARS = "Error bars are 95 % intervals over the prompts."

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

WORDINGS = {
    "monolingual": Wording(
        "Monolingual",
        "One tuning language",
        "Figure 1",
        "What does a model tuned on one language do with instructions in the others? Each row is a "
        "model, each column a language of instructions, each cell the score against the model "
        "tuned on that language alone.",
        _HEAT,
        _CELL,
    ),
    "pretrained": Wording(
        "Untuned",
        "Against the untuned model",
        "Figure 10",
        "What does tuning change at all? The monolingual models against the pretrained model "
        "without any tuning, in every language of instructions.",
        "Bars: the model tuned on the language of the instructions. Rings: the models tuned on "
        "the other languages. " + _BARS + " The dashed line is 50.",
    ),
    "pinch": Wording(
        "Pinch",
        "A pinch of multilinguality",
        "Figure 3",
        "P % of the tuning set is spread evenly over all languages, the rest is English; the "
        "number of examples stays the same. How large must P be?",
        "Thin: each non-English language, its code at the right. The tuning sets stand evenly "
        "spaced, ordered by their number of non-English examples; “ex.” counts these, as the "
        "paper's P = 1 is forty. " + _BANDS,
    ),
    "unseen": Wording(
        "Unseen",
        "Languages never tuned on",
        "Figure 4",
        "The same, but only a few languages are in the tuning set. Do the others rise as well?",
        "Seen: the languages of the tuning set without English. Unseen: no example of them was "
        "tuned on. " + _BANDS,
    ),
    "breadth": Wording(
        "Breadth",
        "How many tuning languages",
        "Figure 5",
        "The budget is split evenly over one, two, three … languages. How do the unseen languages "
        "change with their number?",
        "Thin: each unseen language, mean of the orders in which languages were added. Marks: the "
        "mean of the unseen languages in each order. The thick line is the mean of the orders. "
        + _BANDS,
    ),
    "pairs": Wording(
        "Pairs",
        "Two languages against each of them",
        "Figure 6",
        "Is a model tuned half and half on two languages better in the other languages than the "
        "models tuned on either one alone?",
        "A bar is the mean score, over the languages outside the pair, of the bilingual model "
        "against the monolingual model whose code stands in it. Above the dashed line (50) the "
        "bilingual model is better. " + _BARS,
    ),
    "slavic": Wording(
        "Slavic",
        "Within one family: Slavic languages",
        "Figure 7",
        "Do script, branch or mutual intelligibility predict transfer between close languages? "
        "Cyrillic: ru, sr; mutually intelligible: sr and hr, sk and cs.",
        _HEAT,
        _CELL,
    ),
    "pretraining_share": Wording(
        "Pretraining share",
        "Share in pretraining against transfer",
        "Figure 8",
        "Do the languages that the model saw most in pretraining transfer best?",
        "A point is a language: its share of the pretraining data, and the mean score of its "
        "monolingual model on the other languages with the 95 % interval.",
    ),
    "gain": Wording(
        "Gain",
        "Every model against the untuned one",
        "",
        "What does tuning on each set change, in every language? Each row is a tuned model, each "
        "column a language of instructions, each cell the score against the pretrained model "
        "without any tuning.",
        "One colour scale for the whole table, 50 in its middle: blue is better than the untuned "
        "model, orange worse. A dot: the cell differs from 50 after Holm's correction over the "
        "table (p < 0.05). Not tuned on: the mean of the languages that the set holds no example "
        "of.",
        _CELL,
    ),
    "same_language": Wording(
        "Response language",
        "In which language the models answer",
        "Appendix E",
        "Share of the responses in the language of their instruction. Three outcomes add up to all "
        "responses: right language, wrong language, too short to tell. An echo of the prompt is "
        "counted apart, since it would pass for the right language.",
        "A row is a run, a column a language of instructions; the deeper the colour the larger the "
        "share, from 0 to 100 % in all four panels.",
        "Rest the pointer on a cell for the number.",
    ),
    "outcomes": Wording(
        "Outcomes",
        "Right, wrong, or no answer",
        "",
        "What became of the questions that have an answer? Every response is of one kind. Right: "
        "the reference itself, or the right answer and no other one, otherwise worded. Wrong "
        "answer: in the language of the prompt, and not the answer, or several at once. Wrong "
        "language: in another one than the prompt, be it the right answer, as that language has "
        "it, or a wrong one. Echo: the prompt once more, or its beginning. Too short: no language "
        "shows and it is not the answer, or nothing was said.",
        "A row is a model, a bar the responses to the questions in one language, 100 % wide. The "
        "line over a bar of the mean is the 95 % interval of what is right. Intervals are over the "
        "prompts, which the languages share.",
        "Rest the pointer on a bar for its numbers.",
    ),
    "exact_match": Wording(
        "Exact match",
        "Do the models answer at all",
        "",
        "Exact match of each monolingual model on held-out questions in its own language. Without "
        "it the other figures would mean nothing.",
        "Chance is the exact match of always giving the most frequent tuning answer of the task. "
        "Error bars are 95 % intervals; the dashed line is the median language.",
    ),
    "training": Wording(
        "Training",
        "Training curves",
        "",
        "Loss over the supervised tokens of each step, of every tuned run.",
        "A run stands in every experiment that uses it.",
        "Rest the pointer on a line for its name.",
    ),
    "composition": Wording(
        "Composition",
        "What every model was tuned on",
        "",
        "Every set has the same number of examples; its number of tokens is not the same, because "
        "languages differ in tokens per example.",
        "A row is a tuning set. Every segment is a language; those too narrow for their code are "
        "in the table.",
        "Rest the pointer on a segment for its number.",
    ),
}
