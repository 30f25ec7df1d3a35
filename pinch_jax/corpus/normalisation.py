"""One form of a text for every comparison: what looks the same is the same.

Canonically equal characters become one (NFC), and characters go that nobody sees: marks of
direction, soft hyphens, zero-width blanks, byte-order marks. The two joiners go where they change
nothing; where they decide how neighbours are drawn, as between Persian or Hindi letters, they stay.
Texts are compared in this form, and kept and tuned on as they are.

Source: Unicode Standard Annex 15, Normalization Forms; Annex 31, section 2.3.1, contexts of the
joiners, with those of Arabic and Bengali abbreviations that chapters 9 and 12 of the Standard add.
"""

import functools
import unicodedata

import regex

# Of the format characters that are not drawn these are: the Mongolian vowel separator is a narrow
# space, and tags behind a black flag make another flag of it.
_DRAWN = r"\u180E\U000E0020-\U000E007F"
_UNSEEN = regex.compile(
    rf"[\p{{Cf}}&&\p{{Default_Ignorable_Code_Point}}--\p{{Join_Control}}--[{_DRAWN}]]",
    regex.VERSION1,
)
_STRAY_TAG = regex.compile(r"(?<!\U0001F3F4[\U000E0020-\U000E007F]*)[\U000E0020-\U000E007F]")
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_AGAIN = regex.compile(r"(\p{Join_Control})\1+")

# What a joiner decides, by the letters around it: whether cursive letters join, ...
_LINKS_ON = r"(?<=[\p{jt=D}\p{jt=L}][\p{jt=T}\p{Join_Control}]*)"
_NO_LINK_ON = _LINKS_ON.replace("(?<=", "(?<!")
_LINKS_BACK = r"(?=[\p{jt=T}\p{Join_Control}]*[\p{jt=D}\p{jt=R}])"
_NO_LINK_BACK = _LINKS_BACK.replace("(?=", "(?!")
# ... how the consonants around a virama are put together, ...
_VIRAMA_BEFORE = r"(?<=\p{L}\p{M}*\p{ccc=9}[\p{M}\p{Join_Control}]*)"
_LETTER_AFTER = r"(?=[\p{M}\p{Join_Control}]*\p{L})"
_INSIDE_CONJUNCT = r"(?<=\p{L}[\p{M}\p{Join_Control}]*)\u200d(?=[\p{M}\p{Join_Control}]*\p{ccc=9})"
# ... and which pictures are one.
_PICTURES = (
    r"(?<=\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*)\u200d(?=\p{Extended_Pictographic})"
)
_NEEDED_JOINER = regex.compile(
    rf"{_LINKS_ON}{_NON_JOINER}{_LINKS_BACK}|{_VIRAMA_BEFORE}{_NON_JOINER}{_LETTER_AFTER}"
    rf"|{_LINKS_ON}{_JOINER}{_NO_LINK_BACK}|{_NO_LINK_ON}{_JOINER}{_LINKS_BACK}"
    rf"|{_VIRAMA_BEFORE}{_JOINER}|{_INSIDE_CONJUNCT}|{_PICTURES}|(?P<useless>\p{{Join_Control}})"
)
_SEEN = regex.compile(r"[^\s\p{Cc}\p{Default_Ignorable_Code_Point}]")


@functools.lru_cache(maxsize=1 << 16)
def normal_form(text: str) -> str:
    """Returns a text in NFC without what is not seen; texts that look the same become equal.

    It is idempotent, keeps spaces and line ends, and never changes what is drawn.
    """
    if text.isascii():
        return text
    text = _AGAIN.sub(r"\1", _STRAY_TAG.sub("", _UNSEEN.sub("", text)))
    if _NON_JOINER in text or _JOINER in text:
        text = _NEEDED_JOINER.sub(lambda match: "" if match["useless"] else match[0], text)
        # One that was useless may have stood between two of the other kind.
        text = _AGAIN.sub(r"\1", text)
    return unicodedata.normalize("NFC", text)


def caseless(text: str) -> str:
    """Returns the normal form without case and compatibility forms, such as full width."""
    folded = unicodedata.normalize("NFKC", normal_form(text)).casefold()
    return unicodedata.normalize("NFKC", folded)


def is_blank(text: str) -> bool:
    """Returns whether nothing in a text is seen: spaces, control and unseen characters alone."""
    return not _SEEN.search(text)
