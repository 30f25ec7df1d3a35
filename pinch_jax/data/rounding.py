"""Random turns that follow shares: after every position, each member had its share, rounded.

This is dependent rounding. A position gives each member its share of itself; a member's choices
are jobs, each filled by the next whole share that it was given. So positions and jobs are the two
sides of a graph whose edges carry amounts, `total` at every node. While the graph has a cycle, its
edges go up and down in turn by one amount, or down and up by another, at random so that no
expectation changes, until an edge is empty. In the end each position has one job, and lies in that
job's window, since every edge did; a window is why no prefix can be one example off.

Source: Gandhi, Khuller, Parthasarathy, Srinivasan (2006), "Dependent rounding and its applications
to approximation algorithms"; that its cycles may carry windows of time as quotas is Gölz, Peters,
Procaccia (2022), "In this apportionment lottery, the house always wins".
"""

from typing import NamedTuple

import numpy as np

from pinch_jax.data.compiled import compiled
from pinch_jax.errors import UserError

# An index into the members of a mixture.
INDEX = np.uint8
MOST_MEMBERS = 256
# A position's amounts add up to at most this, so that the bias of a draw is below 2**-23.
MOST_TOTAL = 2**40
_NONE = -1


class _Graph(NamedTuple):
    """Nodes are positions, then jobs; edge e is a half 2e at its position, 2e + 1 at its job."""

    first: np.ndarray  # [node] a half at it, that of the latest position first
    following: np.ndarray  # [half] the next half at the same node
    to: np.ndarray  # [half] the node at the other end
    amount: np.ndarray  # [edge]
    unused: np.ndarray  # [2] the next edge never used, and the first half of a list of emptied ones


class _Search(NamedTuple):
    """What a walk over the graph remembers of nodes."""

    stamp: np.ndarray  # [1] the number of the walk
    seen: np.ndarray  # [node] the last walk that came by
    via: np.ndarray  # [node] the half by which it came
    upcoming: np.ndarray  # [node] the half to go on with
    path: np.ndarray  # [node] the nodes from the walk's root
    cycle: np.ndarray  # [edge] those of the cycle that was found
    met: np.ndarray  # [node] the nodes that the walk has seen, in order
    place: np.ndarray  # [node] where each stands among them


class _Drawn(NamedTuple):
    """What the cycles decide."""

    total: int
    state: np.ndarray  # [1] what is drawn comes from
    turns: np.ndarray  # [position] whose turn it is
    owner: np.ndarray  # [job] the member


def random_turns(shares: np.ndarray, rest: np.ndarray, length: int, key: int) -> np.ndarray:
    """Returns whose turn it is at each of `length` positions: uint8 [length], drawn by `key`.

    After any n positions, member i was chosen floor(d) or ceil(d) times, d being the sum of its
    shares of them, and d times in expectation; so it is chosen at a position with a probability of
    its share there.

    Args:
      shares: int64 [length or 1, members], of each position or of all; a row adds up to the same
        total, at most `MOST_TOTAL`.
      rest: int64 [more, members], positions behind the last one, which no one hears of: with them
        each member's shares add up to a multiple of that total.
      key: below 2**64.

    Raises:
      UserError: there are more than about 2**29 positions.
    """
    positions, members = length + len(rest), shares.shape[1]
    nodes = 2 * positions + members
    # A forest has fewer edges than nodes; each of its unfinished blocks has a few of its own.
    edges = nodes + 2 * members * (positions.bit_length() + 2)
    if 2 * edges >= 2**31:  # a half is an int32
        raise UserError(
            f"config.mixture.examples: {length:,} turns of {members} members are more than can be "
            "told, about 2**29; lower it"
        )
    graph = _Graph(
        np.full(nodes, _NONE, np.int32),
        np.empty(2 * edges, np.int32),
        np.empty(2 * edges, np.int32),
        np.empty(edges, np.int64),
        np.array([0, _NONE], np.int64),
    )
    search = _Search(
        np.zeros(1, np.int32),
        np.zeros(nodes, np.int32),
        *(np.empty(nodes, np.int32) for _ in range(6)),
    )
    state = np.array([key], np.uint64)
    # Another layout would be compiled by itself, for seconds.
    shares, rest = map(np.ascontiguousarray, (shares, rest))
    return _turns(graph, search, shares, rest, length, state)[:length]


def until_whole(sums: np.ndarray, total: int) -> np.ndarray:
    """Returns the `rest` of `random_turns` after shares with these sums: int64 [more, members].

    What each member lacks of a multiple of the total is dealt out one position after another.
    """
    ends = np.cumsum(-sums % total)
    edges = total * np.arange(ends[-1] // total + 1)[:, None]
    dealt = np.clip(ends, edges[:-1], edges[1:]) - edges[:-1]
    return np.diff(dealt, axis=1, prepend=0)


@compiled
def _turns(graph, search, shares, rest, length, state):
    """Positions enter one by one; two neighbouring blocks of one size become one without cycles."""
    members, positions = shares.shape[1], length + len(rest)
    total = shares[0].sum()
    turns = np.zeros(positions, INDEX)
    owner = np.zeros(positions + members, INDEX)  # of each job
    drawn = _Drawn(total, state, turns, owner)
    job = np.full(members, _NONE, np.int64)  # the one that each member is filling
    filled = np.zeros(members, np.int64)
    jobs = 0
    # Where each block begins, and the jobs that were being filled there.
    starts, shared = np.empty(64, np.int64), np.empty((64, members), np.int64)
    blocks = 0
    for position in range(positions):
        starts[blocks], shared[blocks] = position, job
        blocks += 1
        for i in range(members):
            if position < length:
                given = shares[position % len(shares), i]
            else:
                given = rest[position - length, i]
            while given:
                if job[i] == _NONE:
                    job[i], filled[i], owner[jobs] = positions + jobs, 0, i
                    jobs += 1
                amount = min(given, total - filled[i])
                if amount == total:
                    turns[position] = i
                else:
                    _connect(graph, position, job[i], amount)
                filled[i] += amount
                given -= amount
                if filled[i] == total:
                    job[i] = _NONE
        last = position == positions - 1
        while blocks > 1:
            begin, middle = starts[blocks - 2], starts[blocks - 1]
            if not last and middle - begin != position + 1 - middle:
                break
            blocks -= 1
            walks = search.stamp[0]
            for root in shared[blocks]:
                # What a walk of this block has seen is in no cycle any more.
                if root != _NONE and search.seen[root] <= walks:
                    _break_cycles(graph, search, root, begin, drawn)
    return turns


@compiled
def _connect(graph, position, job, amount):
    edge = graph.unused[0]
    if graph.unused[1] == _NONE:
        graph.unused[0] += 1
    else:
        edge = graph.unused[1] // 2
        graph.unused[1] = graph.following[graph.unused[1]]
    graph.amount[edge] = amount
    for half, node, other in ((2 * edge, position, job), (2 * edge + 1, job, position)):
        graph.to[half] = other
        graph.following[half] = graph.first[node]
        graph.first[node] = half


@compiled
def _disconnect(graph, edge):
    for half in (2 * edge, 2 * edge + 1):
        node = graph.to[half ^ 1]
        before = graph.first[node]
        if before == half:
            graph.first[node] = graph.following[half]
        else:
            while graph.following[before] != half:
                before = graph.following[before]
            graph.following[before] = graph.following[half]
    graph.following[2 * edge] = graph.unused[1]
    graph.unused[1] = 2 * edge


@compiled
def _break_cycles(graph, search, root, begin, drawn):
    """Cancels cycles among the positions from `begin` on until none can be reached from a job.

    It walks depth first; the first edge to a node on its path closes a cycle. Once that is
    cancelled, the walk is where it would be if it had begun anew: before the first edge of its path
    that is gone, with nothing seen behind it. To begin anew indeed takes members times as long.
    """
    search.stamp[0] += 1
    stamp = search.stamp[0]
    depth, met = 0, _meet(graph, search, root, _NONE, (0, 0))
    while depth >= 0:
        node = search.path[depth]
        half = search.upcoming[node]
        # A job's halves go back in time: behind one before `begin` there are only earlier ones.
        if half == _NONE or graph.to[half] < begin:
            depth -= 1
            continue
        search.upcoming[node] = graph.following[half]
        if search.via[node] == half ^ 1:
            continue
        other = graph.to[half]
        if search.seen[other] != stamp:
            depth += 1
            met = _meet(graph, search, other, half, (depth, met))
            continue
        edges, search.cycle[0] = 1, half // 2
        while node != other:
            search.cycle[edges] = search.via[node] // 2
            node = graph.to[search.via[node] ^ 1]
            edges += 1
        beyond = graph.following[half ^ 1]
        _cancel(graph, search.cycle[:edges], drawn)
        if search.upcoming[other] == half ^ 1 and _is_gone(graph, half // 2, drawn.total):
            search.upcoming[other] = beyond
        for place in range(depth - edges + 1, depth):
            behind = search.path[place + 1]
            if _is_gone(graph, search.via[behind] // 2, drawn.total):
                first = search.place[behind]
                for unseen in range(first, met):
                    search.seen[search.met[unseen]] = 0
                depth, met = place, first
                break


@compiled
def _meet(graph, search, node, half, at):
    """Enters a node that a half leads to at (depth, nodes met); returns how many are met then."""
    depth, met = at
    search.path[depth], search.met[met], search.place[node] = node, node, met
    search.seen[node], search.via[node] = search.stamp[0], half
    search.upcoming[node] = graph.first[node]
    return met + 1


@compiled
def _is_gone(graph, edge, total):
    return graph.amount[edge] == 0 or graph.amount[edge] == total


@compiled
def _cancel(graph, cycle, drawn):
    """Moves amounts along a cycle until an edge is empty; one that is full is a turn."""
    total, state, turns, owner = drawn
    down = up = total
    for place in range(0, len(cycle), 2):
        down = min(down, graph.amount[cycle[place]])
        up = min(up, graph.amount[cycle[place + 1]])
    # The next of `state` by SplitMix64 (Steele, Lea, Flood 2014).
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    word = state[0]
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    shift = up if word % np.uint64(down + up) < np.uint64(down) else -down
    for edge in cycle:
        graph.amount[edge] += shift
        shift = -shift
        if graph.amount[edge] == total:
            turns[graph.to[2 * edge + 1]] = owner[graph.to[2 * edge] - len(turns)]
        if _is_gone(graph, edge, total):
            _disconnect(graph, edge)
