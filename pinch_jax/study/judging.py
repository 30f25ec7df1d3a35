"""The verdicts of a study: one judge after the other, over all comparisons."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pinch_jax.corpus.example import Example
from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import response_record, words_of_records
from pinch_jax.files import delete_unfinished
from pinch_jax.judge.certificate import read_certificate
from pinch_jax.judge.config import JudgeConfig
from pinch_jax.judge.opening import open_judge
from pinch_jax.judge.protocol import Judge
from pinch_jax.judge.scores import outcomes
from pinch_jax.judge.verdicts import judge_files
from pinch_jax.locks import one_writer
from pinch_jax.study.workbench import Workbench
from pinch_jax.study.workdir import verdict_path
from pinch_jax.waiting import is_primary, primary_alone

# (candidate run, baseline run, language) -> the files of their responses, baseline first.
Comparisons = Mapping[tuple[str, str, str], tuple[Path, Path]]
# Language -> the prompts that are answered in it.
Asked = Mapping[str, Sequence[Example]]


def judge_study(
    bench: Workbench, workdir: Path, comparisons: Comparisons, asked: Asked, progress: bool
) -> list[dict[str, Any]]:
    """Writes the verdicts of all judges of a study; returns who they are, as study.json has it.

    All processes call it. A judge that lies on their mesh is asked by all; the first asks others.
    """
    told: list[dict[str, Any]] = []
    folder = workdir / "verdicts"

    def tidy() -> None:
        for held in (folder, *folder.glob("*/")):
            delete_unfinished(held)

    with one_writer(folder / "lock", tidy):
        for name in bench.config.study.judges:

            def judge(name: str = name) -> None:
                told.append(_judge_by(name, bench, workdir, comparisons, asked, progress))

            if bench.config.judges[name].kind == "model":
                # The weights of the runs and those of the judge need not fit together.
                bench.release()
                judge()
            else:
                primary_alone(f"judging by {name}", judge)
    return told


def _certificate(name: str, config: JudgeConfig, judge: Judge) -> dict[str, Any] | None:
    """Returns what `pinch certify` wrote of this very judge; None where no file is named."""
    if not config.certificate:
        return None
    certificate = read_certificate(Path(config.certificate).expanduser())
    if certificate["judge"]["identity"] != judge.identity:
        raise UserError(
            f"config.judges.{name}.certificate={config.certificate!r}: is of another judge, "
            f"{certificate['judge']['name']!r}, or of other words or settings; certify this one"
        )
    return certificate


def _judge_by(
    name: str,
    bench: Workbench,
    workdir: Path,
    comparisons: Comparisons,
    asked: Asked,
    progress: bool,
) -> dict[str, Any]:
    """Returns who a judge is, and on how many prompts of each comparison it has no verdict."""
    words = words_of_records(response_record(e, "") for some in asked.values() for e in some)
    config = bench.config.judges[name]
    paid_for = workdir / "verdicts" / f"{name}.paid.jsonl"
    judge = open_judge(name, config, words, bench.mesh, paid_for)
    entry = {
        "as": name,
        "kind": config.kind,
        "name": judge.name,
        "version": judge.version,
        "model": config.model,
        "language_gate": config.language_gate,
        "certificate": _certificate(name, config, judge),
        "no_verdict": {},
    }
    quiet = not (progress and is_primary())
    for compared, files in tqdm(
        comparisons.items(), f"judging by {name}", unit="file", disable=quiet
    ):
        path = verdict_path(workdir, entry, *compared)
        verdicts = judge_files(judge, *files, path, progress=False)
        if missing := len(asked[compared[2]]) - len(outcomes(verdicts)):
            entry["no_verdict"][path.stem] = missing
    return entry
