"""A compiled program as XLA prints it: its instructions, and how often each of them is run.

A loop is printed once. How often it runs stands in its backend_config on CPUs and GPUs
(`known_trip_count`); on TPUs only its condition says so, which compares a counter with a constant.
"""

import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

# Bits of an element. What is not here, such as a token, has no size.
_BITS = {"pred": 8, "s4": 4, "u4": 4, "s64": 64, "u64": 64, "f64": 64, "c64": 64, "bf16": 16}
_BITS |= {f"{kind}{bits}": bits for kind in "sfu" for bits in (8, 16, 32)}
_ARRAY = re.compile(r"\b([a-z]+\d*)(?:e\d+m\d+\w*)?\[([\d,]*)\]")
_HEADER = re.compile(r"(ENTRY )?%?([\w.\-]+)(?: \(.*)? \{$")
_LINE = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)$")
_CALLED = re.compile(r"(calls|to_apply|body|condition|(?:true|false)_computation)=%?([\w.\-]+)")
_AXIS = re.compile(r"=(\d+)")
_NAME = re.compile(r"%([\w.\-]+)|(?:^|, )([\w.\-]+)(?=,|$)")


class Array(NamedTuple):
    """The type of an array: "bf16" and its axes."""

    kind: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size on a device, without padding."""
        return math.prod(self.shape) * _BITS.get(self.kind, 0) // 8


def arrays(text: str) -> list[Array]:
    """Returns the arrays that a printed type has: one, or those of a tuple."""
    return [
        Array(kind, tuple(int(n) for n in axes.split(",") if n))
        for kind, axes in _ARRAY.findall(text)
    ]


class Instruction(NamedTuple):
    """One line of a computation; `rest` is what stands behind the operands."""

    name: str
    opcode: str
    type: str
    operands: tuple[str, ...]
    literal: str
    rest: str
    is_root: bool

    @property
    def op_name(self) -> str:
        """The path of names in the program that it was made from."""
        found = re.search(r'op_name="([^"]*)"', self.rest)
        return found[1] if found else ""

    def number(self, field: str) -> int | None:
        """Returns the number of a field such as estimated_cycles; None where it has none."""
        found = re.search(rf'\b{field}"?[=:]\{{?(?:"n":)?"?(\d+)', self.rest)
        return int(found[1]) if found else None

    @property
    def called(self) -> list[tuple[str, str]]:
        """The computations that it runs, each with what it is to it: ("body", name)."""
        found = _CALLED.findall(self.rest)
        branches = re.search(r"branch_computations=\{([^}]*)\}", self.rest)
        some = branches[1].split(",") if branches else ()
        return found + [("branch", name.strip().lstrip("%")) for name in some]


# What shard_map gives to each device: of a program as written, whose other shapes are whole.
_OF_ONE_DEVICE = "xla.sdy.manual_computation_body"


class Program:
    """The computations of a program by name, each a mapping from names to its instructions."""

    def __init__(self, text: str, loops: Mapping[str, float] | None = None):
        """Reads a program. `loops` says how often those run that do not say so, by their scope."""
        self._loops = loops or {}
        self.computations: dict[str, dict[str, Instruction]] = {}
        self.entry = ""
        own: dict[str, Instruction] = {}
        for line in text.splitlines():
            if header := _HEADER.match(line):
                own = self.computations.setdefault(header[2], {})
                self.entry = header[2] if header[1] else self.entry
            elif found := _instruction(line):
                own[found.name] = found
        self._times = {self.entry: 1.0}
        axes = map(_AXIS.findall, re.findall(r"#sdy\.mesh<\[(.*?)\]", text))
        self.devices = max((math.prod(map(int, sizes)) for sizes in axes), default=1)

    @functools.cached_property
    def _callers(self) -> dict[str, list[tuple[str, float]]]:
        """For each computation, who runs it, and how often each time."""
        callers: dict[str, list[tuple[str, float]]] = {}
        for name, own in self.computations.items():
            for instruction in own.values():
                called = instruction.called
                branches = sum(role.endswith(("branch", "computation")) for role, _ in called)
                for role, callee in called:
                    often = 1.0
                    if role in ("body", "condition"):
                        often = self.trips(instruction, own) or 1
                    elif role.endswith(("branch", "computation")):
                        often = 1 / branches  # each as often as the others
                    elif callee.startswith(_OF_ONE_DEVICE):
                        often = self.devices
                    callers.setdefault(callee, []).append((name, often))
        return callers

    def times(self, computation: str) -> float:
        """Returns how often a computation is run; one of n branches counts as a 1/n."""
        if computation not in self._times:
            callers = self._callers.get(computation, ())
            self._times[computation] = sum(often * self.times(name) for name, often in callers)
        return self._times[computation]

    def instructions(self) -> Iterator[tuple[str, Instruction, float]]:
        """Yields (computation, instruction, how often it is run) of all that are ever run."""
        for name, own in self.computations.items():
            if times := self.times(name):
                for instruction in own.values():
                    yield name, instruction, times

    @property
    def unknown_loops(self) -> int:
        """How many loops do not say how often they run, and count as once."""
        every = ((own, i) for own in self.computations.values() for i in own.values())
        return sum(i.opcode == "while" and self.trips(i, own) is None for own, i in every)

    def trips(self, loop: Instruction, own: dict[str, Instruction]) -> float | None:
        """Returns how often a loop of a computation runs at most; None where that is not said.

        A condition may ask for more than the counter, such as rows that are not done.
        """
        if (known := loop.number("known_trip_count")) is not None:
            return known
        for scope, often in self._loops.items():
            if loop.op_name.endswith(f"/{scope}/while"):
                return often
        called = dict(loop.called)
        body = self.computations[called["body"]]
        first = own.get(loop.operands[0])
        for left, right in self._comparisons(called["condition"]):
            limit = _constant(right, first, own)
            if left.opcode != "get-tuple-element" or limit is None:
                continue
            index = left.number("index") or 0
            start = _constant(left, first, own) or 0
            return max(-(-(limit - start) // _stride(body, index)), 0)
        return None

    def _comparisons(self, condition: str) -> Iterator[tuple[Instruction, Instruction]]:
        """Yields both sides of each "less than" of a condition, also of what is fused in it."""
        own = self.computations[condition]
        for instruction in own.values():
            inner, given = own, ()
            for role, name in instruction.called:
                if role == "calls":
                    inner, given = self.computations[name], instruction.operands
            for found in inner.values() if given else (instruction,):
                if found.opcode == "compare" and "direction=LT" in found.rest:
                    sides = (_behind(inner[name], inner) for name in found.operands)
                    left, right = (
                        _behind(own[given[int(side.literal)]], own)
                        if side.opcode == "parameter" and given
                        else side
                        for side in sides
                    )
                    yield left, right


def _instruction(line: str) -> Instruction | None:
    found = _LINE.match(line)
    if not found:
        return None
    root, name, kind, opcode, behind = found.groups()
    end = _closing(behind)
    inside = behind[:end]
    operands = tuple(a or b for a, b in _NAME.findall(re.sub(r"/\*.*?\*/", "", inside)))
    return Instruction(name, opcode, kind, operands, inside, behind[end + 1 :], bool(root))


def _closing(text: str) -> int:
    """Returns where the bracket is closed that was opened before a text."""
    depth = 1
    for place, letter in enumerate(text):
        depth += (letter in "({[") - (letter in ")}]")
        if not depth:
            return place
    return len(text)


def _behind(instruction: Instruction, own: dict[str, Instruction]) -> Instruction:
    """Returns what an instruction passes on unchanged."""
    while instruction.opcode in ("copy", "bitcast", "convert") and instruction.operands[0] in own:
        instruction = own[instruction.operands[0]]
    return instruction


def _constant(
    value: Instruction, carried: Instruction | None, outside: dict[str, Instruction]
) -> int | None:
    """Returns a constant, or the one that a loop is `carried` in with, from around it."""
    if value.opcode == "get-tuple-element" and carried and carried.opcode == "tuple":
        name = carried.operands[value.number("index") or 0]
        value = _behind(outside[name], outside) if name in outside else value
    is_number = value.opcode == "constant" and value.literal.lstrip("-").isdigit()
    return int(value.literal) if is_number else None


def _stride(body: dict[str, Instruction], index: int) -> int:
    """Returns what a turn of a loop adds to a counter: 1 where the body does not say."""
    root = next(instruction for instruction in body.values() if instruction.is_root)
    if root.opcode == "tuple" and (counter := body.get(root.operands[index])):
        counter = _behind(counter, body)
        if counter.opcode == "add":
            added = (body[name] for name in counter.operands if name in body)
            found = (_constant(_behind(one, body), None, body) for one in added)
            return next((n for n in found if n), 1)
    return 1


def first_group(instruction: Instruction, devices: int) -> list[int]:
    """Returns the devices of one group of a collective, by their places in the mesh."""
    rest = instruction.rest
    if iota := re.search(r"replica_groups=\[\d+,(\d+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", rest):
        shape, order = (_numbers(iota[n] or "") for n in (2, 3))
        places = np.arange(math.prod(shape)).reshape(shape).transpose(order or None)
        return places.flatten()[: int(iota[1])].tolist()
    if listed := re.search(r"(?:replica_groups|source_target_pairs)=\{\{([\d,]+)\}", rest):
        return _numbers(listed[1])
    if mesh := re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", rest):
        axes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", mesh[1])}
        taken = re.findall(r"'(\w+)'", mesh[2])
        places = np.arange(math.prod(axes.values())).reshape(*axes.values())
        own = tuple(slice(None) if name in taken else 0 for name in axes)
        return places[own].flatten().tolist()
    return list(range(devices))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]
