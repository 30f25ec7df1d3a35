"""What a judge is: whoever looks at two responses to a prompt, in an order, and prefers one."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

Place = Literal["first", "second"]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two responses in the order the judge sees them, the record they answer, wrong answers."""

    record: Mapping[str, Any]
    first: str
    second: str
    others: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a judge says of a pair.

    Attributes:
        choice: the better response; None is no verdict, and `trouble` says why there is none.
        log_odds: log P(first) - log P(second), in nats; None where the judge gives none.
        by: "judge", or "language": one response is in a wrong language, and nobody was asked.
        model: what a service says that it answered as; "" where it is no service.
    """

    choice: Place | None
    log_odds: float | None = None
    trouble: str = ""
    by: Literal["judge", "language"] = "judge"
    model: str = ""


def by_odds(log_odds: float) -> Judgement:
    """Returns the judgement that odds are: "first" where they are even, none if not finite."""
    if not math.isfinite(log_odds):
        return Judgement(None, trouble=f"log-odds of {log_odds}")
    return Judgement("first" if log_odds >= 0 else "second", float(log_odds))


def answered_by(told: Iterable[Any]) -> list[str]:
    """Returns the models of judgements or verdicts, none where no service was asked."""
    return sorted({one.model for one in told if one.model})


class Judge(Protocol):
    """Whoever prefers one of two responses.

    Attributes:
        name: what people call it, kept with each verdict, such as "reference-5".
        identity: what it is, whatever it judges: the checksum of weights or of the name of a
            service's model, of the wording of the prompt, of settings.
        version: the checksum of all that its choices depend on beside the pair: its identity, and
            what it knows of the languages of a study.
        wording: the checksum of the words of the prompt alone; "" where nobody is asked in words.
        batch_size: so many pairs are judged at once, and then written.
        everywhere: whether all processes have to ask it together, as one that lies on their mesh.
    """

    name: str
    identity: str
    version: str
    wording: str
    batch_size: int
    everywhere: bool

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Returns what it says of each pair; what nobody can mend but a person is raised."""
        ...
