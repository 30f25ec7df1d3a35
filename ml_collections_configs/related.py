"""Claims of other papers on the bundled corpus: --config=related:STUDY, one command each.

STUDY is a name of `STUDIES`; pinch_jax/study/experiments/ has a file of each, with the claim, the
paper and the rule that decides. Each set is drawn three times, so intervals hold for other
examples and prompts. docs/related_work.md says what came out.
"""

import ml_collections

from ml_collections_configs import tiny

# Study -> its languages, those that it tunes on, recipes of its sets, and what its prompts are.
FOUR = ("en", "it", "ru", "sw")
EIGHT = ("ar", "en", "fi", "hi", "it", "ru", "sw", "zh")
STUDIES = {
    "parallel_content": (EIGHT, ("en", "it", "ru"), (), ""),
    "translation_instructions": (EIGHT, FOUR, ("translation",), "translation-en"),
    "question_translation": (EIGHT, FOUR, ("question_translation",), ""),
    "typology": (tiny.get_config().languages, FOUR, (), ""),
    "added_languages": (EIGHT, FOUR, (), ""),
    "code_switching": (EIGHT, FOUR, ("code_switched", "cross_lingual"), "code_switched-en"),
}


def get_config(study: str = "parallel_content") -> ml_collections.ConfigDict:
    """Returns the configuration of a study.

    Raises:
        ValueError: there is no such study.
    """
    if study not in STUDIES:
        raise ValueError(f"related.py:{study}: no such study; choose from {[*STUDIES]}")
    c = tiny.get_config()
    languages, tuned, recipes, asked = STUDIES[study]
    c.languages, c.study.tuning_languages = languages, tuned
    c.study.experiments = (study,)
    c.study.draws = 3
    # 40 steps of 15.
    c.mixture.examples = 600
    c.evaluate.recipe = asked
    c.evaluate.prompts = c.evaluate.rows = 64
    others = [code for code in tuned if code != c.mixture.base]
    c.mixture.recipes = tuple(f"{kind}-en-{code}" for kind in recipes for code in others)
    if recipes:
        # Two texts in one prompt: still room for 15 examples in each step.
        c.batch.row_tokens = 160
        c.batch.row_supervised_tokens = 64
        c.evaluate.prompt_tokens = 80
    return c
