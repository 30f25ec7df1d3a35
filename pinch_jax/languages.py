"""Any language by its code: canonical spelling, name, script, direction and family.

A code is a BCP 47 tag of language, script and territory, such as `fi`, `yue`, `zh-Hant` or
`pt-PT`. Names, aliases and usual scripts are Unicode CLDR's, as Babel carries them.
"""

import dataclasses
import functools
import unicodedata
from collections.abc import Iterable

from babel import localedata
from babel.core import get_global, parse_locale

from pinch_jax.errors import UserError

UNKNOWN_FAMILY = "unknown"

# Several, none, and not known: CLDR names them beside the languages.
_NO_LANGUAGE = ("mis", "mul", "und", "zxx")

# CLDR keeps `no` and `nb` apart; written Norwegian that is not nn is nb.
_MORE_ALIASES = {"no": "nb"}
# CLDR calls them "Simplified" and "Traditional", which means little alone.
CHINESE_SCRIPTS = {"Hans": "Simplified Chinese", "Hant": "Traditional Chinese"}
# Source: CLDR's scriptMetadata.txt, of which Babel carries nothing; modern scripts alone.
_RIGHT_TO_LEFT = frozenset(
    ["Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi"]
)

# Source: the World Atlas of Language Structures (wals.info), families; of the languages that
# lid.176 or CLDR's larger locales have.
_FAMILIES = {
    "Afro-Asiatic": "aa am ar ary arz ha he kab mt om shi so ti tzm",
    "Altaic": "az azb ba bua bxr crh cv kk krc ky mn sah tk tr tt tyv ug uz xal",
    "Austro-Asiatic": "km sat vi",
    "Austronesian": "ace bcl ceb fil haw id ilo jv mg mi min ms pam sm su to war",
    "Aymaran": "ay",
    "Basque": "eu",
    "Dravidian": "kn ml ta te tcy",
    "Indo-European": (
        "af als an as ast be bg bho bn bpy br bs ca ckb co cs cy da de dsb dty dv el en es fa fo "
        "fr frr fur fy ga gd gl gom gsw gu gv hi hif hr hsb hy is it ks ku kw kok la lb li lmo lrc "
        "lt lv mai mk mr mwl mzn nap nb nds ne nl nn oc or os pa pfl pl pms pnb ps pt rm ro ru rue "
        "sa sc scn sco sd si sk sl sq sr sv tg uk ur vec vls wa yi zza"
    ),
    "Japanese": "ja",
    "Kartvelian": "ka xmf",
    "Korean": "ko",
    "Mayan": "quc yua",
    "Nakh-Daghestanian": "av ce lez",
    "Niger-Congo": (
        "ak bem bm ee ff ig ki kg lg ln lua mos nd nso ny rn rw sn st sw tn ts tw ve wo xh yo zu"
    ),
    "Nilo-Saharan": "luo kr nus din",
    "Quechuan": "qu",
    "Sino-Tibetan": "bo dz my new wuu yue zh nan hak",
    "Tai-Kadai": "lo shn th za",
    "Tupian": "gn",
    "Uralic": "et fi hu kv mhr mrj myv mdf se udm vep smn",
}
_FAMILY_OF = {code: name for name, codes in _FAMILIES.items() for code in codes.split()}


@dataclasses.dataclass(frozen=True)
class Language:
    """One language; `code` is canonical, `direction` is "ltr" or "rtl".

    `script` is the English name of the script that it is written in; `family` may be "unknown".
    """

    code: str
    name: str
    family: str
    script: str
    direction: str

    @property
    def base(self) -> str:
        """The code without script and territory: `zh` of `zh-Hant`."""
        return self.code.partition("-")[0]


@functools.cache
def language(code: str) -> Language:
    """Returns the language that a code, in whatever spelling, stands for: `he` for `iw`.

    Raises UserError where CLDR does not name such a language, script or territory.
    """
    base, script, territory = _resolved(code)
    shortest = _shortest(base, script, territory)
    english = localedata.load("en")
    return Language(
        code="-".join(shortest),
        name=_name(shortest),
        family=_FAMILY_OF.get(base, UNKNOWN_FAMILY),
        script=CHINESE_SCRIPTS.get(script) or english["scripts"].get(script, "unknown"),
        direction="rtl" if script in _RIGHT_TO_LEFT else "ltr",
    )


def name_of(code: str) -> str:
    """Returns the English name of a language; what is none, as it is."""
    try:
        return language(code).name
    except ValueError:
        return code


def direction(text: str) -> str:
    """Returns "rtl" where most letters of a text are of a script that runs from right to left."""
    kinds = [unicodedata.bidirectional(letter) for letter in text]
    right = sum(kind in ("R", "AL") for kind in kinds)
    return "rtl" if right > kinds.count("L") else "ltr"


def in_order(codes: Iterable[str], first: Iterable[str]) -> list[str]:
    """Returns the codes, those of `first` in its order and then the others by code."""
    codes = set(codes)
    leading = [code for code in dict.fromkeys(first) if code in codes]
    return [*leading, *sorted(codes.difference(leading))]


@functools.cache
def spellings(code: str) -> tuple[str, ...]:
    """Returns the codes that were replaced by this one, as its files may still be named by them."""
    aliases = get_global("language_aliases") | _MORE_ALIASES
    return tuple(sorted(old for old, new in aliases.items() if new == code))


def _resolved(code: str) -> tuple[str, str, str]:
    """Returns language, script and territory, aliases replaced and likely subtags filled in."""
    english = localedata.load("en")
    try:
        base, territory, script, *rest = parse_locale(code.replace("_", "-"), sep="-")
    except ValueError:
        base, rest = "", []
    if not base or any(rest):
        raise _unknown(code, "not a tag of language, script and territory")
    aliases = get_global("language_aliases") | _MORE_ALIASES
    # An alias may bring a script or territory, as `sh` does: sr_Latn.
    base, *brought = aliases.get(base, base).split("_")
    for part in brought:
        script, territory = (script or part, territory) if len(part) == 4 else (script, part)
    if base not in english["languages"] or base in _NO_LANGUAGE:
        raise _unknown(code, "no language that CLDR names")
    if script and script not in english["scripts"]:
        raise _unknown(code, f"no script {script!r} that CLDR names")
    if territory and territory not in english["territories"]:
        raise _unknown(code, f"no territory {territory!r} that CLDR names")
    return _maximal(base, script or "", territory or "")


def _maximal(base: str, script: str, territory: str) -> tuple[str, str, str]:
    """Adds the likely subtags. Source: Unicode Technical Standard 35, part 1, likely subtags."""
    known = get_global("likely_subtags")
    for parts in ((base, script, territory), (base, territory), (base, script), (base,)):
        if likely := known.get("_".join(filter(None, parts))):
            _, likely_script, likely_territory = likely.split("_")
            return base, script or likely_script, territory or likely_territory
    return base, script, territory


def _shortest(base: str, script: str, territory: str) -> tuple[str, ...]:
    """Removes the likely subtags, the territory before the script, as in `zh-Hant` for `zh-TW`."""
    whole = base, script, territory
    shorter = (base, "", ""), (base, script, ""), (base, "", territory)
    return tuple(filter(None, next((s for s in shorter if _maximal(*s) == whole), whole)))


def _name(parts: tuple[str, ...]) -> str:
    """Returns the English name; "Serbian (Latin)" where CLDR has none for the whole."""
    english = localedata.load("en")
    if whole := english["languages"].get("_".join(parts)):
        return whole
    base, *rest = parts
    kinds = ("scripts" if len(part) == 4 else "territories" for part in rest)
    told = ", ".join(english[kind][part] for kind, part in zip(kinds, rest, strict=True))
    return f"{english['languages'][base]} ({told})"


def _unknown(code: str, why: str) -> UserError:
    return UserError(
        f"language={code!r}: {why}; use a code such as 'fi', 'yue', 'zh-Hant' or 'pt-PT'"
    )
