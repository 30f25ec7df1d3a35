"""Many pieces at a time, at a pace that the service allows, into the file of their language."""

import threading
from collections.abc import Sequence

from tqdm import tqdm

from pinch_jax.corpus.translation.pieces import Answer, PieceFile
from pinch_jax.corpus.translation.translators import TranslationConfig, Translator
from pinch_jax.service.faults import Refused
from pinch_jax.service.pace import Pace, Patience, side_by_side


def translate_pieces(
    pieces: Sequence[str],
    target: str,
    translator: Translator,
    config: TranslationConfig,
    file: PieceFile,
    progress: bool,
) -> None:
    """Puts into the file what it lacks of some pieces, each as soon as it is there.

    Many are translated at a time. Ctrl-C and errors end it when the requests under way are done.

    Raises:
      ServiceError: the translator cannot go on.
    """
    missing = [piece for piece in pieces if file.get(piece) is None]
    stop = threading.Event()
    pace = Pace(config.requests_per_second)
    patience = Patience(pace, config.attempts, config.wait_seconds, stop)

    def translate(piece: str) -> int:
        call = lambda: ask(translator, piece, config.source, target)  # noqa: E731
        file.add(piece, patience.request(translator.name, call))
        return len(piece)

    bar = tqdm(
        desc=f"translate into {target}",
        total=sum(map(len, missing)),
        unit="character",
        unit_scale=True,
        disable=not progress,
    )
    with bar:
        side_by_side(
            translate,
            missing,
            config.concurrency,
            stop,
            done=bar.update,
            leaving=lambda: bar.set_postfix_str("waiting for what is under way"),
        )


def ask(translator: Translator, text: str, source: str, target: str) -> Answer:
    """Returns what a translator has to say to a text, also where it refuses."""
    try:
        return Answer(translator.translate(text, source, target), None)
    except Refused as refused:
        return Answer(None, str(refused))
