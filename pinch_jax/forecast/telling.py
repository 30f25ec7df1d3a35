"""A forecast in lines for people, each figure with what it is made of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pinch_jax.forecast.chips import Topology
from pinch_jax.forecast.cost import GPU_PEAK, KERNEL_PEAK

HEADINGS = ("experiment", "runs", "steps", "answers", "verdicts", "hours", "chip-hours", "cost")


def plan_lines(plan: Mapping[str, Any], topology: Topology) -> Iterator[str]:
    """Yields a whole plan, as `make_plan` returns it."""
    mesh = " x ".join(f"{axis} {size}" for axis, size in plan["mesh"].items())
    yield f"{topology.name}: {plan['chips']} chips, mesh {mesh}"
    for record in plan["programs"]:
        yield from program_lines(record)
        if "tried" in record:
            yield from remedy_lines(record["remedy"], record["tried"])
    yield from plan["warnings"]
    if files := plan["model_files"]:
        yield (
            f"A tuned model: {_gb(files['bytes'])} of files; while they are written a chip holds "
            f"{_gb(files['chip_bytes'])} more, a host {_gb(files['host_bytes'])}"
        )
    if plan["study"]:
        told = ", ".join(record["program"] for record in plan["programs"])
        yield f"The study, by {told}:"
        yield from study_lines(plan["study"], plan["price"])
    else:
        yield "The study is not counted: a program does not fit"
    yield from assumption_lines(topology)


def program_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Yields what is known of a program."""
    peak, limit = record["peak_bytes"], record["limit_bytes"]
    held = "more than there is" if peak is None else _gb(peak)
    verdict = "fits" if record["fits"] else "DOES NOT FIT"
    yield (
        f"{record['program']} on {record['topology']}, {record['size']}: {verdict}, {held} of "
        f"{_gb(limit)} a chip"
    )
    parts = (f"{name} {_gb(size)}" for name, size in record["memory"].items() if size)
    yield f"  memory        {', '.join(parts)}"
    for array in record.get("largest", ()):
        yield f"  large         {_gb(array['bytes'])} {array['shape']} of {array['made_by']}"
    if "mfu" not in record:
        return
    seconds = record["compute_seconds"]
    total = sum(seconds.values()) or 1.0
    shares = sorted(seconds.items(), key=lambda part: -part[1])
    told = ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in shares)
    yield f"  computing     {_ms(total)}: {told}"
    for one in record["collectives"]:
        yield (
            f"  {one['kind']:19} {one['count']:,.0f} a call, {_gb(one['bytes'])}, "
            f"{_ms(one['seconds'])}"
        )
    low, high = record["hidden_seconds"], record["exposed_seconds"]
    mfu = " to ".join(f"{100 * part:.1f}" for part in record["mfu"])
    yield f"  a call        {_ms(low)} to {_ms(high)}, MFU {mfu} %"
    if record["unknown_loops"]:
        yield f"  {record['unknown_loops']} loops do not say how often they run; counted once"


def assumption_lines(topology: Topology) -> Iterator[str]:
    """Yields what the figures rest on."""
    chip = topology.chip
    yield "How to read this:"
    yield (
        "  memory: what is held between calls, by shardings; what is made in a call, by shapes, "
        "as far as the compiler's peak leaves room; other is the rest of the peak"
    )
    if topology.is_gpu:
        yield (
            f"  computing: all products, at {100 * GPU_PEAK:.0f} % of {chip.flops / 1e12:.0f} "
            "Tflop/s, or reading weights and cache for each token, whichever takes longer: XLA's "
            "GPU compiler estimates no time"
        )
    else:
        yield (
            f"  computing: the compiler's cycles at {chip.clock / 1e9:.2f} GHz times the trips of "
            f"loops; Pallas kernels at {100 * KERNEL_PEAK:.1f} % of {chip.flops / 1e12:.0f} Tflop/s"
        )
    yield (
        f"  collectives: rings over all links of a chip, {chip.links / 1e9:.0f} GB/s, between "
        f"slices or hosts {chip.network / 1e9:.1f} GB/s; hidden behind computing, to none hidden"
    )
    yield (
        "  MFU: useful flops (not those of rematerialisation) over the peak; rows are full and "
        "answers as long as they may be; loading, compiling and evaluating in training left out"
    )


def remedy_lines(change: Mapping[str, Any], tried: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields which changes were tried, and the flags of the one that helps."""
    for entry in tried:
        if "refused" in entry:
            result = f"refused: {entry['refused']}"
        elif entry["peak_bytes"] is None:
            result = "does not fit"
        else:
            more = "at least " if entry.get("at_least") else ""
            result = (
                f"{'fits' if entry['fits'] else 'does not fit'}, {more}{_gb(entry['peak_bytes'])}"
            )
        yield f"  tried {flags_of(entry['change'])}: {result}"
    if change:
        yield f"  it fits with {flags_of(change)}"
    else:
        yield "  nothing that was tried fits; take more chips, or shorter rows (config.batch)"


def flags_of(change: Mapping[str, Any]) -> str:
    """Returns a change of a config as it is typed."""
    return " ".join(f"--config.{path}={value}" for path, value in change.items())


def study_lines(rows: Iterable[Mapping[str, Any]], price: float) -> Iterator[str]:
    """Yields a table of what a study takes, an experiment a row."""
    yield " ".join(f"{name:>{20 if name == HEADINGS[0] else 13}}" for name in HEADINGS)
    for row in rows:
        counts = (f"{row[name]:,}" for name in ("runs", "steps", "answers", "verdicts"))
        spans = [_span(row["hours"]), _span(row["chip_hours"])]
        spans.append(_span(row["cost"]) if price else "no --price")
        yield f"{row['experiment']:>20} " + " ".join(f"{word:>13}" for word in (*counts, *spans))


def _span(ends: Sequence[float]) -> str:
    return " - ".join(f"{end:.2g}" if end < 10 else f"{end:,.0f}" for end in ends)


def _gb(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"
