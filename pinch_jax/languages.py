"""The languages of the study: code, name, family, script and writing direction."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Language:
    """One language; `code` is ISO 639-1, `direction` is "ltr" or "rtl"."""

    code: str
    name: str
    family: str
    script: str
    direction: str


LANGUAGES: dict[str, Language] = {
    entry.code: entry
    for entry in (
        Language("ar", "Arabic", "Afro-Asiatic", "Arabic", "rtl"),
        Language("zh", "Chinese", "Sino-Tibetan", "Chinese", "ltr"),
        Language("cs", "Czech", "Indo-European", "Latin", "ltr"),
        Language("en", "English", "Indo-European", "Latin", "ltr"),
        Language("et", "Estonian", "Uralic", "Latin", "ltr"),
        Language("fi", "Finnish", "Uralic", "Latin", "ltr"),
        Language("he", "Hebrew", "Afro-Asiatic", "Hebrew", "rtl"),
        Language("hi", "Hindi", "Indo-European", "Devanagari", "ltr"),
        Language("it", "Italian", "Indo-European", "Latin", "ltr"),
        Language("ru", "Russian", "Indo-European", "Cyrillic", "ltr"),
        Language("es", "Spanish", "Indo-European", "Latin", "ltr"),
        Language("sw", "Swahili", "Niger-Congo", "Latin", "ltr"),
        Language("sr", "Serbian", "Indo-European", "Cyrillic", "ltr"),
        Language("hr", "Croatian", "Indo-European", "Latin", "ltr"),
        Language("sl", "Slovenian", "Indo-European", "Latin", "ltr"),
        Language("pl", "Polish", "Indo-European", "Latin", "ltr"),
        Language("sk", "Slovak", "Indo-European", "Latin", "ltr"),
    )
}

# The order of the paper's tables and figures.
STUDY_LANGUAGES = ("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")
SLAVIC_LANGUAGES = ("ru", "sr", "hr", "sl", "pl", "sk", "cs")


def language(code: str) -> Language:
    """Return the language with this code.

    Raises:
      ValueError: the code is not one of `LANGUAGES`.
    """
    if code not in LANGUAGES:
        raise ValueError(f"language={code!r}: not a known language; use one of {sorted(LANGUAGES)}")
    return LANGUAGES[code]
