"""The ways in which a request to a service can fail, and what people are told."""

import datetime
import email.utils
from collections.abc import Mapping

from pinch_jax.errors import OutOfReach, UserError

# A number beyond it in Retry-After is no time to wait but the time of a clock.
_CLOCK_SECONDS = 1e9


class Busy(Exception):
    """The service could not do it now; `retry_after_seconds` is what it asks for, or 0."""

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(Exception):
    """The service has no answer to this text, and will not have one later."""


class ServiceError(UserError):
    """Nothing can be asked until a person does something.

    Attributes:
        status: of the answer that said so, if there was one.
        complaint: the parameter that the service complains of, or all that it said.
    """

    status: int | None = None
    complaint: str = ""


class GaveUp(ServiceError, OutOfReach):
    """The service was busy at every attempt."""


def permanent(
    name: str, fields: str, status: int | None, message: str, param: str = ""
) -> ServiceError:
    """Returns the error of a request that waiting does not help; `fields` are those to look at."""
    hints = {
        400: f"{fields} may name what the service does not know",
        401: "the key is not accepted",
        402: "the account has no credit left",
        403: "the key or account may not do this",
        404: f"check {fields}",
        429: "the account has no credit left",
    }
    hint = f"; {hints[status]}" if status in hints else ""
    error = ServiceError(f"{name}: HTTP {status}: {first_line(message)}{hint}")
    error.status, error.complaint = status, param or message
    return error


def retry_after_seconds(headers: Mapping[str, str], now: datetime.datetime | None = None) -> float:
    """Returns what a Retry-After header asks for, seconds or a date; 0 if there is none."""
    value = headers.get("Retry-After")
    if value is None:
        return 0.0
    now = now or datetime.datetime.now(datetime.UTC)
    try:
        seconds = float(value)
        return max(0.0, seconds - now.timestamp() if seconds > _CLOCK_SECONDS else seconds)
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    # A date in the zone -0000 comes without one.
    date = date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
    return max(0.0, (date - now).total_seconds())


def first_line(message: object) -> str:
    """Returns the first line of what somebody said, as much as is worth showing."""
    return (str(message).splitlines() or [""])[0][:300]
