"""Measures a client beside a Serf agent; prints one JSON object. Run as: python3 - RUNS < asking.py"""

import json
import subprocess
import sys
import time


def seconds(*command):
    """How long a command takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


measured: dict[str, list[float]] = {"ours": [], "other": []}
for number in range(int(sys.argv[1])):
    measured["ours"].append(seconds("dbhandler-request", f"r{number}", "--timeout", "20"))
    measured["other"].append(seconds("serf", "query", "-rpc-auth=bench", "create_db", f"s{number}"))
print(json.dumps(measured))
