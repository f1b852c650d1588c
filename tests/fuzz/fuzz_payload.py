"""make fuzz: a coverage-guided fuzzer over the payload parser and the sealed box.

usage: fuzz_payload.py [libFuzzer options]

Every input goes in as it is, and once more inside a box closed with the server's own public key, so that the fuzzer
gets past the encryption. A crash, a statement that is none of ours, or an answer over the limit ends the run.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dbhandler"]):
    from nacl.public import PublicKey, SealedBox

    from dbhandler.answer import MAX_BYTES, encode
    from dbhandler.box import Keys
    from dbhandler.errors import InvalidRequest
    from dbhandler.policy import Policy
    from dbhandler.provision import Provisioner
    from dbhandler.registry import Registry
    from dbhandler.request import parse

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from test_statements import WIDE, StrictServer

FOLDER = Path(tempfile.mkdtemp(prefix="dbhandler-fuzz-"))
KEYS, REGISTRY = Keys(FOLDER / "key"), Registry(FOLDER / "registry")
BOX = SealedBox(PublicKey(base64.b64decode(KEYS.public)))


def carry_out(payload: bytes, policy: Policy) -> None:
    """One payload, all the way to the statements and the answer."""
    try:
        requests = parse(payload)
    except InvalidRequest as error:
        outcomes = [encode({"status": "invalid", "reason": str(error)})]
    else:
        worker = Provisioner(StrictServer(), policy, "mariadb", KEYS, REGISTRY, lambda: None)  # type: ignore[arg-type]
        outcomes = [encode({**vars(outcome), "host": "h", "port": 1}) for outcome in worker.create_all(requests)]
    assert all(len(line) <= MAX_BYTES + 1 for line in outcomes)


def one_input(data: bytes) -> None:
    """What the fuzzer calls."""
    carry_out(data, Policy())
    carry_out(data, WIDE)
    sealed = base64.b64encode(BOX.encrypt(data)).decode()
    carry_out(json.dumps({"database": "shop", "sealed": sealed}).encode(), WIDE)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
