"""From a ConfigDict to frozen dataclasses, once; everything about a config is checked here.

The dataclasses name the fields and their types. Defaults live in one place only,
`ml_collections_configs/base.py`: a field that a config leaves out is an error.
"""

import dataclasses
import itertools
import json
import operator
import re
from collections.abc import Mapping
from typing import Any

import ml_collections

from pinch_jax.config_fields import LanguageCode, Seed, build, check_distinct, choose
from pinch_jax.corpus.config import CorpusConfig
from pinch_jax.corpus.recipes import heldout_recipes, parse_recipe
from pinch_jax.data.config import BatchConfig, MixtureConfig
from pinch_jax.data.mixture import Mixture, parse_mixture
from pinch_jax.data.names import Spec
from pinch_jax.data.order import key
from pinch_jax.devices.mesh_config import MeshConfig
from pinch_jax.errors import UserError
from pinch_jax.evaluate.config import EvaluateConfig
from pinch_jax.judge.config import JudgeConfig
from pinch_jax.model.config import ModelConfig
from pinch_jax.study.config import ADAPTERS, ALL, OWN, PRETRAINED, StudyConfig
from pinch_jax.train.config import TRACKERS, LoraConfig, TrainConfig


@dataclasses.dataclass(frozen=True)
class Config:
    """One run, or one study of many; every field of `ml_collections_configs/base.py`."""

    seed: Seed
    languages: tuple[LanguageCode, ...]
    track: tuple[str, ...]
    corpus: CorpusConfig
    mixture: MixtureConfig
    model: ModelConfig
    batch: BatchConfig
    train: TrainConfig
    lora: LoraConfig
    mesh: MeshConfig
    evaluate: EvaluateConfig
    judges: Mapping[str, JudgeConfig]
    study: StudyConfig

    def __post_init__(self) -> None:
        check_distinct("config.languages", self.languages)
        check_distinct("config.track", self.track)
        for name in self.track:
            choose("config.track", name, TRACKERS)
        study = self.study.of(self.languages, self.mixture.base, self.seed)
        object.__setattr__(self, "study", study)
        self._check_study_languages()
        if study.keep_weights == ADAPTERS and not self.lora.rank:
            raise UserError(
                "config.study.keep_weights='adapters' and config.lora.rank=0: there are none; set "
                "the rank, or keep 'all' or 'none'"
            )
        for name in self.mixture.recipes:
            parse_recipe(name, self.languages)
        if self.evaluate.recipe:
            heldout_recipes(self.evaluate.recipe, self.languages)
        for field in ("mixture.recipes", "evaluate.recipe"):
            made = operator.attrgetter(field)(self)
            if made and self.corpus.judge_pairs:
                raise UserError(
                    f"config.{field}={made!r}: nothing is made of two languages with config.corpus."
                    f"judge_pairs={self.corpus.judge_pairs}; set one of them to {type(made)()!r}"
                )
        self.corpus.check_languages(self.corpus_languages)
        self._check_judges()
        self.mixture_of()
        self._check_sweeps()

    @property
    def corpus_languages(self) -> tuple[str, ...]:
        """Those that examples are needed in: the config's own, and the Slavic study's."""
        extra = self.study.slavic_languages if "slavic" in self.study.experiments else ()
        return tuple(dict.fromkeys((*self.languages, *extra)))

    @property
    def mixture_languages(self) -> tuple[str, ...]:
        """Those that the config's own mixture can be planned with: without a share none is needed.

        A corpus of one's own is what is there in all its languages; recipes and pairs for a judge
        are made of any.
        """
        mixture, made = self.mixture_of(), self.mixture.recipes or self.corpus.judge_pairs
        every = made or self.evaluate.recipe or not self.corpus.bundled
        pairs = zip(mixture.languages, mixture.shares, strict=True)
        own = (member for member, share in pairs if share and member not in self.mixture.recipes)
        return tuple(dict.fromkeys((*(self.languages if every else ()), *own)))

    @property
    def monolingual_languages(self) -> tuple[str, ...]:
        """Those with a monolingual model of their own, in the order of `languages`."""
        chosen = self.study.monolingual_languages or self.languages
        return tuple(code for code in self.languages if code in chosen)

    def _check_study_languages(self) -> None:
        needed = {"monolingual_languages": self.study.monolingual_languages}
        if {"unseen", "breadth"} & {*self.study.experiments}:
            needed["tuning_languages"] = self.study.tuning_languages
        for name, codes in needed.items():
            for code in codes:
                if code not in self.languages:
                    raise UserError(
                        f"config.study.{name}={codes}: {code!r} is not in config.languages="
                        f"{self.languages}; add it there, or leave it out here"
                    )

    @property
    def keeps_adapters(self) -> bool:
        """Whether the last checkpoint is what is kept of a run: adapters, no whole model."""
        return self.lora.rank > 0 and self.study.keep_weights != ALL

    @property
    def paid_judges(self) -> tuple[str, ...]:
        """The judges of the study that cost money."""
        named = self.study.judges
        return tuple(n for n in named if self.judges[n].price_per_million_tokens)

    def _check_judges(self) -> None:
        for name in self.judges:
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise UserError(f"config.judges: {name!r}: use small letters, digits and _")
        for name in self.study.judges:
            choose("config.study.judge", name, tuple(self.judges))
            self.judges[name].check(name)

    def _check_sweeps(self) -> None:
        for sweep in self.study.sweeps:
            if others := [code for code in sweep.languages if code not in self.languages]:
                raise UserError(
                    f"config.study.sweeps: {sweep.name!r} is judged in {others[0]!r}, which is not "
                    f"in config.languages={self.languages}; add it there"
                )
            against = () if sweep.against in (OWN, PRETRAINED) else (sweep.against,)
            mixtures = {spec: self.mixture_of(spec) for spec in (*sweep.specs, *against)}
            for one, other in itertools.combinations(sweep.specs, 2):
                if mixtures[one] == mixtures[other]:
                    raise UserError(
                        f"config.study.sweeps: {one!r} and {other!r} of {sweep.name!r} are the "
                        "same tuning set; name it once"
                    )

    def mixture_of(self, spec: Spec | None = None, draw: int = 0) -> Mixture:
        """Returns the mixture of a spec; by default the one that the config itself names.

        A draw is another choice of examples, in another order; draw 0 is that of config.seed.
        """
        m = self.mixture
        spec = m.spec if spec is None else spec
        # A monolingual set may be in a language that only the Slavic study has.
        slavic = (x for x in self.study.slavic_languages if spec == f"monolingual:{x}")
        mixture = parse_mixture(
            spec,
            tuple(dict.fromkeys((*self.languages, *slavic))),
            m.examples,
            m.base,
            key(self.seed, "draw", draw) if draw else self.seed,
            m.recipes,
            composition=m.composition,
            granularity=m.granularity,
            supervised_tokens=m.supervised_tokens,
        )
        if not mixture.schedule and sum(map(bool, mixture.shares)) > 1:
            held = [member for member, count in mixture.budgets.items() if count]
            if len(held) == 1 and m.examples > 1:
                raise UserError(
                    f"config.mixture.examples={m.examples}: {spec!r} would be {held[0]!r} alone, "
                    "since each other part is below one example; raise one of them, or leave it out"
                )
        return mixture

    def to_json(self) -> str:
        """Returns the config as JSON, sorted and indented."""
        fields = dataclasses.asdict(self)
        return json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


def from_config_dict(config: ml_collections.ConfigDict | Mapping[str, Any]) -> Config:
    """Returns the config as frozen dataclasses, checked.

    Raises:
        UserError: a field is unknown, missing, of the wrong type or contradicts another; names
            the field, the value and the fix.
    """
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    return build(Config, config, "config")
