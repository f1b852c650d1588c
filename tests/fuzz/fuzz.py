"""make fuzz: a coverage-guided fuzzer over one of the targets.

usage: python -m tests.fuzz.fuzz TARGET [libFuzzer options]

A crash, or an assertion of the target, ends the run and leaves the input in a file.
"""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["dbhandler"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    atheris.Setup(sys.argv[:1] + sys.argv[2:], TARGETS[sys.argv[1]])
    atheris.Fuzz()
