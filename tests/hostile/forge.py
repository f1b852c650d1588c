"""What an impostor's agent answers to queries; run in its container by Serf (tests/support/attackers.py, Forger).

The database's name begins with how the answer is forged: `unsigned_…`; `theirs_…`, signed by a pool of the impostor's
own; `named_…`, signed by that, too, and naming the pool that is attacked; `replayed_…`, a true answer to another
question. What was asked is written down.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path += ["/usr/local/lib/python3/dist-packages"]

from dbhandler.requests.box import Keys
from dbhandler.requests.question import question_of
from dbhandler.trust.pool import Pool
from dbhandler.trust.signature import Purpose

FOLDER = Path("/tmp")
WHERE = {"host": "192.0.2.1", "port": 3306}
SAID: dict[str, dict[str, object]] = {
    "find_db": {"status": "exists", **WHERE},
    "create_db": {"status": "created", **WHERE},
    "rotate_db": {"status": "rotated", **WHERE},
    "drop_db": {"status": "dropped", **WHERE},
    "status_db": {"status": "ok", "mysql": "ready", "ready": True, "engine": "mariadb", **WHERE},
}


def database_of(payload: bytes) -> str:
    """The name in a payload, which is bare or JSON."""
    text = payload.decode().strip()
    return str(json.loads(text).get("database", "")) if text.startswith("{") else text


def forged(query: str, payload: bytes) -> str:
    told = json.loads((FOLDER / "told.json").read_text())
    database = database_of(payload)
    way = database.partition("_")[0]
    if way == "replayed":
        return str(told["captured"][f"{query} {database}"])
    fields = dict(SAID[query])
    if way != "unsigned":
        question, pool = question_of(query, payload), Pool([bytes.fromhex(told["secret"])])
        # Where the box is for somebody else, the word in it is not to be had.
        reply = Keys(FOLDER / "key").reply_word(question.sealed) if question.sealed else None
        fields["pool"] = told["pool"] if way == "named" else pool.id
        fields["signature"] = pool.keys[0].sign(Purpose.ANSWER, question.content(fields, reply))
    return json.dumps(fields)


if __name__ == "__main__":
    asked = sys.stdin.buffer.read()
    with (FOLDER / "heard").open("a") as heard:
        heard.write(json.dumps([os.environ["SERF_QUERY_NAME"], asked.decode()]) + "\n")
    print(forged(os.environ["SERF_QUERY_NAME"], asked))
