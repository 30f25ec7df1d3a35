"""A service as judge, by OpenAI's protocol: what it costs, many pairs at a time, none paid twice.

It is asked for the most probable first tokens; where it gives none for a schema that allows two
labels; where it refuses that too for text. What a verdict was read from is found out once.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from absl import logging

from pinch_jax.errors import UserError
from pinch_jax.judge.answers import ANSWER_TOKENS, Way, find_trouble, has_logprobs, read_reply
from pinch_jax.judge.config import JudgeConfig
from pinch_jax.judge.prompt import LABELS, Wording
from pinch_jax.judge.protocol import Judgement, Pair
from pinch_jax.service.chat import ChatClient, Reply
from pinch_jax.service.faults import GaveUp, Refused, ServiceError, first_line
from pinch_jax.service.kept import AddLine, open_lines
from pinch_jax.service.pace import Pace, Patience, side_by_side
from pinch_jax.storage.files import digest, read_kept_lines

# Raised when answers are asked for or read otherwise than before.
_READING = 3
# Most tokenizers make fewer tokens: of Gemma 3's, in 12 languages, one holds 3.0 to 10.4 bytes.
_TOKEN_BYTES = 3
# A rough guide for the time before the first call.
_REQUEST_SECONDS = 1.0
# So many pairs in a row without any answer: the service is down, or the model does not fit.
_DOWN = 3
# A long prompt of more characters to a token was not read as a whole, which some services hide.
_LONG, _TOKEN_CHARACTERS = 8000, 10
_REMEDY = "delete the line, and its pair is asked for again"


class Cost(NamedTuple):
    """What is still to be paid: the `price`, and `lines` for people."""

    price: float
    lines: tuple[str, str]


class ApiJudge:
    """Prefers what a chat model names; a `Judge`.

    `cache` is a file that keeps each verdict as soon as it is there, so that Ctrl-C, an error or
    another call pays for none again. Where there is no verdict the next call asks again.
    """

    everywhere = False

    def __init__(self, name: str, config: JudgeConfig, wording: Wording, cache: Path):
        """Opens nothing and asks nobody.

        Raises:
            UserError: the library or the key is missing, or the budget has no price to hold.
        """
        self._field = f"config.judges.{name}"
        if config.budget and not config.price_per_million_tokens:
            raise UserError(
                f"{self._field}.budget={config.budget}: nothing is known to cost anything; set "
                f"{self._field}.price_per_million_tokens"
            )
        self.name, self.wording = name, wording.checksum
        self._config, self._words, self._cache = config, wording, cache
        self._who = f"{self._field}.model={config.model!r}"
        self._fields = f"{self._field}.model and {self._field}.base_url"
        self._client = ChatClient(
            self._who, self._fields, config.model, config.base_url, config.timeout_seconds
        )
        told = ["api", _READING, self._client.base_url, config.model, self.wording, LABELS[0]]
        self.identity = self.version = digest(told)
        self.batch_size = 16 * config.concurrency
        self._way, self._pace = Way(), Pace(config.requests_per_second)
        self._lock = threading.Lock()
        self._known: dict[str, Judgement] = {}
        self._read_bytes = 0
        self._spent = 0.0
        self._answered, self._missed, self._gave_logprobs = False, 0, False
        self._models: set[str] = set()

    def cost(self, pairs: Iterable[Pair]) -> Cost:
        """Returns what it costs to judge pairs; what is kept, or comes twice, costs nothing."""
        # Of a whole study: its prompts are not held, but for the one at hand.
        new, tokens, characters = set(), 0, 0
        with self._open():
            for key, prompt in self._asked(pairs):
                if key not in self._known and key not in new:
                    new.add(key)
                    tokens += _count_tokens(prompt)
                    characters += len(prompt)
        c, price = self._config, self._price(tokens)
        minutes = max(_REQUEST_SECONDS / c.concurrency, 1 / c.requests_per_second) * len(new) / 60
        return Cost(
            price,
            (
                f"to judge by {self.name} ({c.model}): {len(new):,} pairs, "
                f"{characters:,} characters",
                f"about {tokens:,} tokens, one for {_TOKEN_BYTES} bytes (most tokenizers make "
                f"fewer): price {price:,.2f}, minutes {minutes:,.1f}",
            ),
        )

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Returns what it says of each pair, asking for none that is kept.

        Ctrl-C and errors end it when the requests under way are done; what they say is kept.

        Raises:
            ServiceError: the service cannot be asked until a person does something.
            UserError: the budget is used up; the cache is damaged.
        """
        asked = list(self._asked(pairs))
        said: dict[str, Judgement] = {}
        c, stop = self._config, threading.Event()
        patience = Patience(self._pace, c.attempts, c.wait_seconds, stop)
        with self._open() as add_line:
            new = {key: prompt for key, prompt in asked if key not in self._known}

            def work(item: tuple[str, str]) -> tuple[str, Judgement]:
                key, prompt = item
                judgement, reply = self._ask(prompt, patience, len(new))
                if judgement.choice and reply:
                    judgement = dataclasses.replace(judgement, model=reply.model)
                    self._keep(key, judgement, add_line)
                return key, judgement

            side_by_side(
                work, new.items(), c.concurrency, stop, done=lambda told: said.update([told])
            )
        return [self._known.get(key) or said[key] for key, _ in asked]

    def _asked(self, pairs: Iterable[Pair]) -> Iterator[tuple[str, str]]:
        """Yields the key and the prompt of each pair."""
        for pair in pairs:
            prompt = self._words.ask(pair, LABELS[0])
            yield digest([self.version, prompt]), prompt

    def _ask(self, prompt: str, patience: Patience, pairs: int) -> tuple[Judgement, Reply | None]:
        """Returns what the service says, and its reply; `pairs` are asked about in all."""
        messages = [{"role": "user", "content": prompt}]
        while True:
            way, expected, paid = self._way, self._price(_count_tokens(prompt)), 0.0
            self._reserve(expected)
            try:
                reply = patience.request(
                    self._who, lambda way=way: self._client.ask(messages, **way.options)
                )
                paid = expected if reply.tokens is None else self._price(reply.tokens)
            except Refused as refused:
                self._hear()
                return Judgement(None, trouble=f"refused: {refused}"), None
            except GaveUp as gave_up:
                self._miss(str(gave_up), pairs, GaveUp)
                return Judgement(None, trouble=str(gave_up)), None
            except ServiceError as error:
                simpler = way.without(error.complaint) if error.status in (400, 422, 501) else None
                if simpler is None:
                    raise
                self._change(way, simpler, error.complaint)
                continue
            finally:
                with self._lock:
                    self._spent += paid - expected
            if not way.temperature:
                model = f"{reply.model} at a temperature of its own"
                reply = dataclasses.replace(reply, model=model)
            judgement = read_reply(reply, LABELS[0])
            if reply.finish_reason == "length" and not reply.text.strip():
                self._miss(f"{self._who}: {judgement.trouble}", pairs)
            else:
                self._hear()
            if len(prompt) > max(_LONG, _TOKEN_CHARACTERS * (reply.prompt_tokens or len(prompt))):
                told = f"a long prompt was cut to {reply.prompt_tokens} tokens"
                return Judgement(None, trouble=f"{told}; let the service read more"), reply
            self._gave_logprobs |= has_logprobs(reply)
            # One reply without, among others with them, says nothing of the next ones.
            if way.top and not self._gave_logprobs and not find_trouble(reply):
                self._change(way, dataclasses.replace(way, top=0), "no log-probabilities came")
                if judgement.choice is None:
                    continue
            return judgement, reply

    def _reserve(self, price: float) -> None:
        """Raises UserError unless so much is left."""
        budget = self._config.budget
        with self._lock:
            if budget and self._spent + price > budget:
                raise UserError(
                    f"{self._field}.budget={budget}: {self._spent:.4f} is spent or under way, and "
                    f"an answer costs about {price:.4f}; what came is kept in {self._cache}: "
                    "raise it, or call again to spend as much once more"
                )
            self._spent += price

    def _hear(self) -> None:
        with self._lock:
            self._answered, self._missed = True, 0

    def _miss(self, trouble: str, pairs: int, why: type[ServiceError] = ServiceError) -> None:
        """Raises ServiceError, of this kind, if nobody is answered, and not only this pair."""
        with self._lock:
            self._missed += 1
            # It has answered before: a pair or two that it cannot answer are no reason to end.
            worked = self._answered or self._known
            if self._missed < (_DOWN if worked else min(_DOWN, pairs)):
                return
        raise why(
            f"{trouble}; so it was with {self._missed} pairs in a row: look at {self._fields}, or "
            "call again later, which pays for no verdict twice"
        )

    def _change(self, way: Way, simpler: Way, why: str) -> None:
        """Asks otherwise from now on, if nobody has changed that meanwhile."""
        with self._lock:
            if self._way != way:
                return
            self._way = simpler
        logging.warning("%s: %s; asked by %s", self._who, first_line(why), [*simpler.options])

    def _keep(self, key: str, judgement: Judgement, add_line: AddLine) -> None:
        model, told = judgement.model, {"choice": judgement.choice, "log_odds": judgement.log_odds}
        line = {"key": key, "version": self.version, "model": model, **told}
        added_bytes = add_line(line)
        with self._lock:
            self._read_bytes += added_bytes
            self._known[key] = judgement
            if model not in self._models and self._models:
                before = ", ".join(sorted(self._models))
                logging.warning(
                    "%s: %s answers, and before it was %s; name one", self._who, model, before
                )
            self._models.add(model)

    @contextlib.contextmanager
    def _open(self) -> Iterator[AddLine]:
        """Opens the cache for this process alone, and reads what others have added to it."""
        with open_lines(self._cache) as add_line:
            size_bytes = self._cache.stat().st_size
            if size_bytes != self._read_bytes:
                for place, line in read_kept_lines(self._cache, _REMEDY):
                    try:
                        key, version = line["key"], line["version"]
                        choice, log_odds, model = line["choice"], line["log_odds"], line["model"]
                    except KeyError as error:
                        raise UserError(f"{place}: no {error}: not a verdict; {_REMEDY}") from error
                    if version == self.version:
                        self._known[key] = Judgement(choice, log_odds, model=model)
                        self._gave_logprobs |= log_odds is not None
                        self._models.add(model)
            self._read_bytes = size_bytes
            yield add_line

    def _price(self, tokens: int) -> float:
        return tokens / 1e6 * self._config.price_per_million_tokens


def _count_tokens(prompt: str) -> int:
    """Returns about how many tokens a prompt and its answer are, rather too many than too few."""
    return -(-len(prompt.encode()) // _TOKEN_BYTES) + ANSWER_TOKENS
