"""How the processes of a run wait for each other, and what the first tells the others.

They wait at JAX's coordination service, never in a collective: a collective has a deadline of its
own, of 30 s on CPUs, and one process may have work for hours that the others do without.
"""

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import jax
from jax._src import distributed

from pinch_jax.errors import OutOfReach, UserError, is_of_input
from pinch_jax.hosts.goodput import doing
from pinch_jax.hosts.stops import Interrupted

Result = TypeVar("Result")

# How long one process waits for another: a corpus may be translated, a study judged.
WAIT_SECONDS = 7 * 24 * 3600
SAY_SECONDS = 15.0
POLL_SECONDS = 1.0

# Set while the first process does something that the others wait for.
_alone = threading.Event()
# All processes make the same calls in the same order, so that a number is enough of a name.
_calls = itertools.count()
# What an error of the first process is in the others.
_HEARD = {"failed": UserError, "unreached": OutOfReach, "fault": ValueError}


def is_primary() -> bool:
    """Returns whether this process is the one that writes files."""
    return jax.process_index() == 0


def agreed(what: str, find: Callable[[], Result]) -> Result:
    """Returns, in every process, what `find` returns in the first: something that JSON can say.

    Hosts may see different files, and the one that writes them sees them first. `what` is for the
    messages of those that wait.
    """
    return json.loads(_told(what, lambda: json.dumps(find())))


def primary_first(what: str, call: Callable[[], Result]) -> Result:
    """Returns what a call returns; only once it has in the first process do the others make it.

    So the first one writes files, and the others find them. `what` it does is for those who wait.
    """
    results = primary_alone(what, lambda: [call()])
    return results[0] if results else call()


def primary_alone(what: str, call: Callable[[], Result]) -> Result | None:
    """Returns what a call of the first process returns, and None in the others, once it is done.

    Raises:
        UserError, OutOfReach, Interrupted: in the others, where the call raised; with its message.
            What else it raised is a ValueError there.
    """
    result = None

    def once() -> str:
        nonlocal result
        result = call()
        return ""

    _told(what, once)
    return result


def _told(what: str, say: Callable[[], str]) -> str:
    """Returns what `say` returns in the first process, once it has."""
    if jax.process_count() == 1:
        return say()
    name, client = f"pinch/told/{next(_calls)}", distributed.global_state.client
    if not is_primary():
        said = _awaited(name, f"process 0 ({what})")
        kind, _, rest = said.partition(":")
        if kind == "stopped":
            raise Interrupted(rest)
        if kind in _HEARD:
            raise _HEARD[kind](f"process 0 failed at {what}: {rest}")
        return said[1:]
    if _alone.is_set():
        raise RuntimeError(f"{what}: the first process is alone at something; nobody would answer")
    _alone.set()
    try:
        said = say()
    except BaseException as error:
        kind = "stopped" if isinstance(error, KeyboardInterrupt) else "fault"
        kind = "failed" if is_of_input(error) else kind
        kind = "unreached" if isinstance(error, OutOfReach) else kind
        client.key_value_set(name, f"{kind}:{str(error) or type(error).__name__}")
        raise
    finally:
        _alone.clear()
    client.key_value_set(name, f"={said}")
    return said


def wait_for_all(what: str) -> None:
    """Returns, in every process, when all have come to `what`; TimeoutError says who did not."""
    from_all(f"before {what}", None)


def from_all(what: str, mine: Result) -> list[Result]:
    """Returns what each process gives, in their order: something that JSON can say."""
    if jax.process_count() == 1:
        return [mine]
    name, client = f"pinch/all/{next(_calls)}", distributed.global_state.client
    client.key_value_set(f"{name}/{jax.process_index()}", json.dumps(mine))
    others = range(jax.process_count())
    return [json.loads(_awaited(f"{name}/{i}", f"process {i} {what}")) for i in others]


def check_alike(mine: Mapping[str, str]) -> None:
    """Raises UserError, in all processes, where one has made something else of its files.

    Each host may read another model or corpus of the same name, on a disk of its own, and then all
    would compute with a part of each. `mine` is what this process has made, by what it is.
    """
    first, *others = from_all("telling what it has", dict(mine))
    for process, held in enumerate(others, 1):
        for what in dict.fromkeys((*first, *held)):
            if first.get(what) != held.get(what):
                raise UserError(
                    f"{what} of process {process} is {held.get(what)}, and that of process 0 "
                    f"{first.get(what)}; give all the same flags, config, model, corpus and code"
                )


@doing("waiting")
def _awaited(name: str, whom: str) -> str:
    """Returns the value of a key of the coordination service, as soon as it is there."""
    client, started, said = distributed.global_state.client, time.monotonic(), 0.0
    while (waited := time.monotonic() - started) < WAIT_SECONDS:
        try:
            # Not longer: nothing else is heard meanwhile, Ctrl-C neither.
            return client.blocking_key_value_get(name, int(POLL_SECONDS * 1000))
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
        if waited - said > SAY_SECONDS:
            said = waited
            say = f"process {jax.process_index()} waits for {whom}: {waited:.0f} s so far"
            print(say, file=sys.stderr, flush=True)
    raise TimeoutError(f"process {jax.process_index()} waited {WAIT_SECONDS} s for {whom}")
