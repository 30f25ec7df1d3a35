"""A judge of one's own: Gemma 3 270M tuned to say which of two answers is better, 12 languages.

`pinch train` with it, then `pinch convert` of the run's model, which puts all tokens back. Put the
files of SIB-200 into data/sib200/<code>/{train,test}.tsv.
"""

import ml_collections

from ml_collections_configs import gemma3_270m

# Tasks that no pair is made of, so that there are some that the judge has never seen.
UNSEEN_TASKS = ("continent", "day_after", "day_before")


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    c = gemma3_270m.get_config()
    c.corpus.name = "judging"
    # The held-out ones are other sentences, and facts that no training example is about.
    without = ",".join(UNSEEN_TASKS)
    c.corpus.train = (
        "sib200:data/sib200/{language}/train.tsv?first=400",
        f"cldr:train?without={without}&first=900",
    )
    c.corpus.heldout = ("sib200:data/sib200/{language}/test.tsv", "cldr:heldout?first=204")
    # Two of five pairs are a right answer and a wrong one; the others are soon learnt.
    c.corpus.judge_pairs = ("answer", "answer", "language", "echo", "empty")
    c.mixture.spec = "uniform:" + ",".join(c.languages)
    # Of 6,500 pairs; 225 tokens on average, and two of them are supervised.
    c.mixture.examples = 1600
    c.batch.rows = 8
    c.batch.row_multiple = 1
    c.batch.row_tokens = 512
    c.batch.row_supervised_tokens = 16
    c.batch.examples = 16
    c.train.learning_rate = 5e-5
    # A label and the end; four examples, each in five pairs.
    c.evaluate.prompts = 20
    c.evaluate.rows = 20
    c.evaluate.prompt_tokens = 480
    c.evaluate.new_tokens = 4
    c.evaluate.period_steps = 50
    # Two examples in five pairs: of every ten, five have the reference first.
    c.evaluate.loss_prompts = 10
    return c
