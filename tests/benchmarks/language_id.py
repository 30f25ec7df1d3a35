"""How often answers of real models are called the language that they were asked in, percent.

    python tests/benchmarks/language_id.py DIRECTORY

The directory holds the Language Confusion Benchmark (Marchisio et al. 2024, arXiv 2406.20052):
`test_sets/monolingual/<source>/<language>.csv` and `outputs/<model>.csv.gz`. Only answers over 40
letters to monolingual prompts count. The words are those of the prompts, as in a study. Below,
short texts of the bundled corpus, by the words of its held-out questions.
"""

import collections
import csv
import gzip
import sys
from pathlib import Path

from pinch_jax.corpus.cldr.examples import examples, heldout_examples
from pinch_jax.corpus.cldr.facts import LANGUAGES
from pinch_jax.corpus.language_id import LONG, TOO_SHORT, StudyWords, identify, letters, study_words
from pinch_jax.corpus.lid import language_probabilities

PROMPTS = 96


def lid_alone(text: str) -> str:
    """Returns the best label."""
    probabilities = language_probabilities(text)
    return max(probabilities, key=probabilities.__getitem__)


def prompts_of(directory: Path) -> StudyWords:
    """Returns the words of the benchmark's prompts."""
    texts: dict[str, list[str]] = collections.defaultdict(list)
    for path in sorted(directory.glob("test_sets/monolingual/*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            texts[path.stem] += [row["prompt"] for row in csv.DictReader(file)]
    return study_words(texts)


def answers_of(path: Path) -> dict[str, list[str]]:
    """Returns language -> the answers of a model that are long enough."""
    answers: dict[str, list[str]] = collections.defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["task"] == "monolingual" and letters(row["completion"]) > LONG:
                answers[row["language"]].append(row["completion"])
    return dict(sorted(answers.items()))


def percent(found: list[str], wanted: str) -> str:
    """Returns how many of them are this, in percent."""
    return f"{100 * found.count(wanted) / len(found):.1f}"


def main(directory: Path) -> None:
    """Prints both tables."""
    words = prompts_of(directory)
    print("model language answers lid.176 ours")
    for path in sorted(directory.glob("outputs/*.csv.gz")):
        for code, texts in answers_of(path).items():
            alone = percent([lid_alone(text) for text in texts], code)
            ours = percent([identify(text, words) for text in texts], code)
            print(path.name.partition(".")[0], code, len(texts), alone, ours)
    told = {
        c: [t for e in heldout_examples(c)[:PROMPTS] for t in (e.prompt, e.response)]
        for c in LANGUAGES
    }
    words = study_words(told)
    print("kind language texts lid.176 ours: right, wrong, too short")
    for kind in ("prompt", "response"):
        for code in LANGUAGES:
            texts = sorted({getattr(example, kind) for example in examples(code)})[::7]
            found = [identify(text, words) for text in texts]
            short = found.count(TOO_SHORT)
            wrong = len(found) - short - found.count(code)
            alone = percent([lid_alone(text) for text in texts], code)
            print(
                kind,
                code,
                len(texts),
                alone,
                percent(found, code),
                f"{100 * wrong / len(found):.1f}",
                f"{100 * short / len(found):.1f}",
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
