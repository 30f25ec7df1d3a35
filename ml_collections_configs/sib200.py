"""A corpus of one's own: SIB-200, what is this sentence about, in the 12 languages of the study.

Put its files into data/sib200/<code>/{train,test}.tsv. `pinch corpus --config=... --report` builds
it; so does any other command that needs it.
"""

import ml_collections

from ml_collections_configs import tiny


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration; only the corpus and the sizes that follow from it are new."""
    c = tiny.get_config()
    c.corpus.name = "sib200"
    c.corpus.train = ("sib200:data/sib200/{language}/train.tsv",)
    c.corpus.heldout = ("sib200:data/sib200/{language}/test.tsv",)
    c.mixture.spec = "pinch:10"
    # Of 701 sentences.
    c.mixture.examples = 600
    c.batch.row_tokens = 640
    c.batch.row_supervised_tokens = 128
    # Room for 15 examples in any language, as in tiny.py.
    c.evaluate.prompt_tokens = 512
    c.evaluate.new_tokens = 64
    # The Slavic study is in five languages more.
    c.study.experiments = tuple(name for name in c.study.experiments if name != "slavic")
    return c
