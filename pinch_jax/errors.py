"""The one error that is shown without a traceback."""


class UserError(ValueError):
    """What a person can mend: says the field, or the file and line, the value, and the way out."""
