"""Which country lies in which part of the world, by the United Nations' M49 standard.

Babel carries the names of these regions but not what they contain, so this table is our own.
It holds well-known states whose CLDR names are plain (no "Congo - Kinshasa", "Myanmar (Burma)").

Source: United Nations Statistics Division, Standard Country or Area Codes for Statistical
Use (M49). Countries are ISO 3166-1 alpha-2, regions M49, both as CLDR spells them.
"""

# continent (M49 region) -> sub-region -> countries
M49: dict[str, dict[str, str]] = {
    "002": {
        "015": "DZ EG LY MA SD TN",
        "011": "BJ GH NG SN",
        "017": "AO CM GA",
        "014": "ET KE MG MZ RW SO TZ UG ZM ZW",
        "018": "BW NA ZA",
    },
    "019": {
        "005": "AR BO BR CL CO EC PE PY UY VE",
        "013": "CR GT HN MX NI PA SV",
        "021": "CA US",
        "029": "CU DO HT JM",
    },
    "142": {
        "030": "CN JP KP KR MN",
        "034": "AF BD IN IR LK NP PK",
        "035": "ID KH LA MY PH SG TH VN",
        "143": "KG KZ TJ TM UZ",
        "145": "AE AM AZ CY GE IL IQ JO KW LB OM QA SA SY TR YE",
    },
    "150": {
        "039": "AL BA ES GR HR IT MK MT PT RS SI",
        "151": "BG BY CZ HU MD PL RO RU SK UA",
        "154": "DK EE FI GB IE IS LT LV NO SE",
        "155": "AT BE CH DE FR LU NL",
    },
    "009": {
        "053": "AU NZ",
        "054": "FJ PG",
    },
}


def places() -> dict[str, tuple[str, str]]:
    """Returns country -> (continent, sub-region), in the order of the country codes."""
    return dict(
        sorted(
            (country, (continent, region))
            for continent, regions in M49.items()
            for region, countries in regions.items()
            for country in countries.split()
        )
    )
