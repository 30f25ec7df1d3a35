"""The languages of the bundled corpus: those that somebody has written its phrases in."""

# The twelve of the paper in the order of its tables, and the Slavic ones of its appendix.
LANGUAGES = (
    *("ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw"),
    *("sr", "hr", "sl", "pl", "sk"),
)
