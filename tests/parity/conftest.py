"""The comparison with transformers: needs the extra `parity`, and is left out without it."""

import importlib.util

NEEDED = ("torch", "transformers", "accelerate", "gguf", "peft")
if not all(importlib.util.find_spec(name) for name in NEEDED):
    collect_ignore_glob = ["test_*.py"]


def pytest_terminal_summary(terminalreporter):
    """Prints the largest logit difference of each model."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(
                f"{name} {report.nodeid.partition('[')[2][:-1]}: {value:.1e}"
            )
