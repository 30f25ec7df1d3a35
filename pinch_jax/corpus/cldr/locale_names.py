"""Names in one language as Unicode CLDR gives them, read from Babel without its trap.

Babel resolves an alias by writing the result into the dictionary it found it in, and locales
share those dictionaries with their parent in `babel.localedata`'s cache: what one locale
resolved, the next one inherits. After Chinese has been read, Finnish stand-alone months are
Chinese. So the cache is emptied before a locale is read, which makes its whole tree new.
"""

import functools
from collections.abc import Mapping

from babel import localedata

# kind of name -> code -> name
Names = Mapping[str, Mapping[str, str]]

# Small unit, large unit, how many small ones make a large one (CLDR unit identifiers).
_UNIT_PAIRS = (
    ("duration-millisecond", "duration-second", 1000),
    ("duration-second", "duration-minute", 60),
    ("duration-minute", "duration-hour", 60),
    ("duration-hour", "duration-day", 24),
    ("duration-day", "duration-week", 7),
    ("duration-month", "duration-year", 12),
    ("duration-year", "duration-century", 100),
    ("length-millimeter", "length-centimeter", 10),
    ("length-centimeter", "length-meter", 100),
    ("length-meter", "length-kilometer", 1000),
    ("length-inch", "length-foot", 12),
    ("mass-milligram", "mass-gram", 1000),
    ("mass-gram", "mass-kilogram", 1000),
    ("mass-kilogram", "mass-tonne", 1000),
    ("mass-ounce", "mass-pound", 16),
    ("volume-milliliter", "volume-liter", 1000),
)
# Equal quantities, (count, unit) of the small and of the large unit.
EQUAL = [
    ((n * ratio, small), (n, large)) for small, large, ratio in _UNIT_PAIRS for n in range(1, 9)
]


def quantity_code(count: int, unit: str) -> str:
    """Returns the code of a quantity, e.g. "60-minute"."""
    return f"{count}-{unit.partition('-')[2]}"


@functools.cache
def names(language: str) -> Names:
    """Returns kind -> code -> name in the citation form of this language.

    Kinds: territory, currency, language, script, month ("01" is January), day ("1" is Monday,
    as in ISO 8601) and quantity ("60-minute"). Digits are western in every language.
    """
    localedata._cache.clear()
    data = localedata.LocaleDataDict(localedata.load(language))
    months = data["months"]["stand-alone"]["wide"]
    days = data["days"]["stand-alone"]["wide"]
    quantities = {quantity_code(*own): _quantity(data, *own) for pair in EQUAL for own in pair}
    return {
        "territory": dict(data["territories"]),
        "currency": dict(data["currency_names"]),
        "language": dict(data["languages"]),
        "script": dict(data["scripts"]),
        "month": {f"{month:02d}": months[month] for month in range(1, 13)},
        "day": {str(day + 1): days[day] for day in range(7)},
        "quantity": {code: text for code, text in quantities.items() if text is not None},
    }


def _quantity(data: Mapping, count: int, unit: str) -> str | None:
    """Returns e.g. "3 hours", or None when CLDR has no pattern.

    Not `babel.units.format_unit`: where a language has no "long" pattern of its own, CLDR says
    to take the "short" one (in Chinese or Swahili they are the same words), but Babel prints
    the identifier of the unit.

    Source: Unicode Technical Standard 35, part 1, lateral inheritance.
    """
    patterns = data["unit_patterns"].get(unit, {})
    plural = data["plural_form"](count)
    for length in ("long", "short"):
        for form in (plural, "other"):
            if form in patterns.get(length, {}):
                return patterns[length][form].format(count)
    return None
