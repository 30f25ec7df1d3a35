"""The licence and the citation of the corpora that have a reader of their own."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Published:
    """What whoever passes a corpus on has to know, and whom they have to name."""

    name: str
    license: str
    citation: str


_LIMA = """@misc{zhou2023lima,
  title = {{LIMA}: Less Is More for Alignment},
  author = {Chunting Zhou and others},
  year = {2023},
  eprint = {2305.11206},
  archivePrefix = {arXiv},
}"""

_OASST = """@misc{kopf2023openassistant,
  title = {{OpenAssistant} Conversations: Democratizing Large Language Model Alignment},
  author = {Andreas Köpf and others},
  year = {2023},
  eprint = {2304.07327},
  archivePrefix = {arXiv},
}"""

_ALPACA_FARM = """@misc{dubois2023alpacafarm,
  title = {{AlpacaFarm}: A Simulation Framework for Methods that Learn from Human Feedback},
  author = {Yann Dubois and others},
  year = {2023},
  eprint = {2305.14387},
  archivePrefix = {arXiv},
}"""

_SIB200 = """@misc{adelani2023sib200,
  title = {{SIB-200}: A Simple, Inclusive, and Big Evaluation Dataset for Topic Classification in
           200+ Languages and Dialects},
  author = {David Ifeoluwa Adelani and others},
  year = {2023},
  eprint = {2309.07445},
  archivePrefix = {arXiv},
}"""

_CLDR = """@misc{cldr,
  title = {Unicode Common Locale Data Repository},
  author = {{Unicode Consortium}},
  url = {https://cldr.unicode.org},
}"""

PUBLISHED: dict[str, Published] = {
    "lima": Published("LIMA", "CC BY-NC-SA 4.0, or that of its source where it is stricter", _LIMA),
    "oasst": Published("OpenAssistant", "Apache 2.0", _OASST),
    "alpaca_farm": Published("AlpacaFarm", "CC BY-NC 4.0", _ALPACA_FARM),
    "sib200": Published("SIB-200", "CC BY-SA 4.0", _SIB200),
    "cldr": Published(
        "Unicode CLDR", "names and facts Unicode License v3, phrases that of pinch_jax", _CLDR
    ),
}
