"""Gemma 3 270M on a laptop's CPU: what are these about, and facts of Unicode CLDR, 12 languages.

A small study: four languages have a monolingual model of their own, every model is held against
the untuned one in all twelve. Put the files of SIB-200 into data/sib200/<code>/{train,test}.tsv.
"""

import ml_collections

from ml_collections_configs import base


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration of the study."""
    c = base.get_config()
    c.model.source = "gemma3-270m"
    # The pretrained model, not an instruction-tuned one.
    c.model.template = "base"
    # 262,144 tokens become about 45,000.
    c.model.trim_vocabulary = True
    c.corpus.name = "topics_and_facts"
    # As many facts as topics. The first 701 ask each of 669 facts once; the first 160 held-out ones
    # are each of the held-out facts, asked once.
    c.corpus.train = ("sib200:data/sib200/{language}/train.tsv", "cldr:train?first=701")
    c.corpus.heldout = ("sib200:data/sib200/{language}/test.tsv", "cldr:heldout?first=204")
    # Questions about facts differ by a name alone and are split by fact: none is a near duplicate.
    c.corpus.duplicate_similarity = 1.0
    # P = 1 is 12 examples: one in each language; over 6 languages, two in each.
    c.mixture.examples = 1200
    # The longest example is of 205 tokens, 57 on average: room for 16 in any language, so that all
    # tuning sets take 75 steps. Half of the rows are empty in most, and left out.
    c.batch.rows = 8
    c.batch.row_multiple = 1
    c.batch.row_tokens = 256
    c.batch.row_supervised_tokens = 96
    c.batch.examples = 16
    c.train.epochs = 1
    c.train.learning_rate = 5e-5
    c.train.checkpoint_period_steps = 25
    # 160 topics and 160 facts: prompts of at most 193 tokens, references of 24.
    c.evaluate.prompts = 320
    c.evaluate.rows = 80
    c.evaluate.prompt_tokens = 208
    c.evaluate.prompt_widths = 16
    c.evaluate.new_tokens = 32
    c.evaluate.loss_prompts = 16
    c.evaluate.period_prompts = 0
    c.study.experiments = ("monolingual", "pretrained", "pinch", "unseen", "gain", "same_language")
    # Two that `unseen` tunes on beside English, and two that it does not.
    c.study.monolingual_languages = ("en", "ru", "sw", "zh")
    c.study.percents = (0, 1, 10, 100)
    c.study.unseen_percents = (0, 1)
    c.study.pinch_examples = 0
    return c
