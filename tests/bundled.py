"""The bundled corpus' languages, and the two lists that the default study has of them."""

from ml_collections_configs import base
from pinch_jax.corpus.cldr import facts
from pinch_jax.languages import language

LANGUAGES = {code: language(code) for code in facts.LANGUAGES}
STUDY_LANGUAGES = tuple(base.get_config().languages)
SLAVIC_LANGUAGES = tuple(base.get_config().study.slavic_languages)
