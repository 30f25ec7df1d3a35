"""`tfds build`, with its own options, where there is no TensorFlow: see `builder.py`."""

from absl import app
from tensorflow_datasets.scripts.cli import build, cli_utils

OPTIONS = ("--imports=pinch_jax.corpus.builder", "--file_format=array_record")


def main() -> None:
    """Builds what the command line names, as ArrayRecord files."""
    parse = cli_utils.make_flags_parser(build.Args, description="Builds a corpus as `tfds build`.")
    app.run(
        lambda args: args.execute(),
        flags_parser=lambda argv: parse([argv[0], *argv[1:], *OPTIONS]),
    )


if __name__ == "__main__":
    main()
