"""What both sides of gpu.py are given: the same models, weights, rows and prompts."""

import dataclasses
import math
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pinch_jax.data.batch import Batch
from pinch_jax.forecast.flops import attention_flops, forward_flops
from pinch_jax.model.families import DecoderConfig

# The sizes are those of ml_collections_configs/gemma3.py, whose package the machine may lack.
_GEMMA = {"vocab_size": 262_144, "heads": 4, "kv_heads": 1, "head_dim": 256, "rope_theta": 1e6}
_WINDOWS = {"window": 512, "window_pattern": 6}
MODELS = {
    "toy": DecoderConfig(
        vocab_size=512,
        layers=4,
        embed_dim=64,
        heads=4,
        kv_heads=1,
        head_dim=16,
        mlp_dim=128,
        window=6,
        window_pattern=2,
        rope_theta=1e6,
    ),
    "270m": DecoderConfig(**_GEMMA, **_WINDOWS, layers=18, embed_dim=640, mlp_dim=2048),
    "1b": DecoderConfig(**_GEMMA, **_WINDOWS, layers=26, embed_dim=1152, mlp_dim=6912),
}
# Of attention: small enough for these queries to be squashed by it.
SOFTCAP, QUERY_FACTOR = 5.0, 4.0
SHORTEST = 4
RESULTS = ("out", "dq", "dk", "dv")


@dataclasses.dataclass(frozen=True)
class Case:
    """What a side does.

    Attributes:
        kind: "attention", "train" or "decode".
        model: one of MODELS.
        rows, width: the batch; of "decode", the prompts.
        way: how. Of ours the attention that is asked for; of theirs see gpu_torch.py.
        calls: how often a turn does it.
        new: new tokens of an answer.
        mask: of attention, "global", "window" or "softcap".
        reference: of attention, the file of what should come out; our side writes it.
        config: the config.json of the model, for the other side.
    """

    kind: str
    model: str
    rows: int
    width: int
    way: str
    calls: int = 1
    new: int = 0
    mask: str = ""
    reference: str = ""
    config: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def decoder(self) -> DecoderConfig:
        """The model; of attention, one layer of it with the mask of the case."""
        decoder = MODELS[self.model]
        if self.kind != "attention":
            return decoder
        window = decoder.window if self.mask == "window" else 0
        return dataclasses.replace(
            decoder,
            layers=1,
            window=window,
            window_pattern=0 if window else 1,
            attention_softcap=SOFTCAP if self.mask == "softcap" else 0.0,
        )

    @property
    def tokens(self) -> int:
        """The tokens of a turn: what a rate counts."""
        return self.calls * self.rows * (self.new if self.kind == "decode" else self.width)

    @property
    def flops(self) -> float:
        """The useful flops of a turn, as `pinch plan` counts them; 0 for decoding."""
        lengths = [n for row in self.lengths() for n in row]
        if self.kind == "attention":
            forward = sum(attention_flops(self.decoder, n) for n in lengths)
        elif self.kind == "train":
            forward = sum(forward_flops(self.decoder, n, n // 2) for n in lengths)
        else:
            forward = 0.0
        return 3 * forward * self.calls

    def lengths(self) -> list[list[int]]:
        """Returns the tokens of the examples of each row, which they fill."""
        random, rows = np.random.default_rng(0), []
        for _ in range(self.rows):
            row, left = [], self.width
            while left:
                n = int(random.lognormal(math.log(self.width / 8), 0.8))
                n = min(max(n, SHORTEST), left)
                n = left if left - n < SHORTEST else n
                row.append(n)
                left -= n
            rows.append(row)
        return rows

    def prompts(self) -> np.ndarray:
        """Returns int32 [rows, width]."""
        shape = self.rows, self.width
        return np.random.default_rng(1).integers(3, self.decoder.vocab_size, shape, np.int32)

    def batch(self) -> Batch:
        """Returns packed rows; the second half of each example is supervised."""
        lengths = self.lengths()
        slots = max(sum(n // 2 for n in row) for row in lengths)
        long, wide = (self.rows, self.width), (self.rows, slots)
        batch = Batch(
            tokens=self.prompts(),
            segments=np.zeros(long, np.int32),
            positions=np.zeros(long, np.int32),
            supervised=np.zeros(wide, np.int32),
            targets=np.zeros(wide, np.int32),
            weights=np.zeros(wide, np.float32),
        )
        for row, examples in enumerate(lengths):
            start = slot = 0
            for number, n in enumerate(examples, start=1):
                batch.segments[row, start : start + n] = number
                batch.positions[row, start : start + n] = np.arange(n)
                at, end = slice(slot, slot + n // 2), start + n
                batch.supervised[row, at] = np.arange(end - n // 2, end) - 1
                batch.targets[row, at] = batch.tokens[row, end - n // 2 : end]
                batch.weights[row, at] = 1
                start, slot = end, slot + n // 2
        return batch

    def projections(self) -> tuple[np.ndarray, ...]:
        """Returns queries [B, T, N, H], keys, values, and the gradient of what comes out."""
        random, model = np.random.default_rng(2), self.decoder
        heads = (model.heads, model.kv_heads, model.kv_heads, model.heads)
        drawn = [
            random.standard_normal((self.rows, self.width, n, model.head_dim), np.float32)
            for n in heads
        ]
        drawn[0] *= QUERY_FACTOR * model.attention_scale_of(model.head_dim)
        return tuple(drawn)

    def errors(self, found: Sequence[np.ndarray]) -> dict[str, float]:
        """Returns how far values and gradients are off, as fractions of how large they are."""
        with np.load(self.reference) as exact:
            return {
                name: float(np.linalg.norm(a - b) / np.linalg.norm(b))
                for name, a, b in zip(RESULTS, found, exact.values(), strict=True)
            }


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a tensor of a model from nothing, by its name in transformers alone."""
    if len(shape) == 1:  # a norm of Gemma, which is stored as an offset from one
        return np.zeros(shape, np.float32)
    drawn = np.random.Generator(np.random.SFC64(zlib.crc32(name.encode())))
    array = drawn.standard_normal(shape, np.float32)
    array /= math.sqrt(shape[-1])
    return array


def draw_all(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Returns tensors by name; a thousand million numbers take a while on one core."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(shapes, pool.map(draw, shapes, shapes.values()), strict=True))
