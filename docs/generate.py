#!/usr/bin/env python3
"""Writes the pages of docs/reference/ that are made from the code: settings, programs, metrics.

usage: generate.py    (with the Python of .venv: the pages are made from what the package says of itself)
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from dbhandler.agent.metrics import Metrics
from dbhandler.agent.observe import Sources
from dbhandler.backup import metrics as backup_metrics
from dbhandler.backup.overview import Range
from dbhandler.backup.source import Source
from dbhandler.backup.standing import Standing
from dbhandler.provisioning.quota import Reading
from dbhandler.settings.config import Config
from dbhandler.settings.names import AGENT, CLIENT, CONSOLE, DATABASE, GIVEN, OFFICIAL

DOCS = Path(__file__).parent
ROOT = DOCS.parent
NOTE = "<!-- Made by docs/generate.py: change what it reads, and run it. -->\n\n"

READ_BY = (
    ("The database container", DATABASE),
    ("Every container with a Serf agent, the database's too", AGENT),
    ("Whoever asks a Serf agent: the proxy, `dbhandler-request`, `dbhandler-status`", CLIENT),
    ("The console, beside these", CONSOLE),
)
SETTINGS_BEGIN = """\
# Settings

Settings are variables. Every one may be given as a file instead, by `NAME_FILE`. A wrong value stops the start with a
sentence that names its variable, and so does a name that begins like ours and is none of them, with the one that is
probably meant. The variables of a first start are [the official images'](official-variables.md).
"""
SETTINGS_END = """\
## Options of the server

Options for the server itself come after the image's name (`docker run … dbhandler --max-connections=500`), or in files
under `/etc/mysql/conf.d`. Another command is executed instead, with the variables as they were given
(`docker run -it … dbhandler bash`).
"""
PROGRAMS_BEGIN = """\
# Programs

What each says with `--help`. Each knows `--version`, too. `docker exec db supervisorctl status` shows the processes of
a database container.
"""
METRICS_BEGIN = """\
# Metrics

The agent serves them for Prometheus where `DBHANDLER_METRICS=:9104` says so, to whoever reaches that port: do not
publish it. No name of a database is told. [Watching](../how-to/watching.md) shows how to scrape them, and which alerts
there are.

| metric | type | what it is |
|---|---|---|
"""
METRICS_END = """\
| `process_…` | | memory, processor time, open files and start of the agent |

A payload counts once for each of its names, as `operation="create_db"`, `outcome="created"`. A query that could not
be served is `unavailable`; an event waits instead, and is counted once, when it is carried out. Databases are counted
every 15 s while the server is ready. The three about the quota are there where `DBHANDLER_QUOTA_BYTES` is set.

## The backup

The backup's container serves these where the same variable says so. Each has the labels `server`, the name of a server
or cluster, and `source`, which sets it apart from another one that was called so before. What is not there yet has no
reading. They come from what the backup notes: a scrape asks neither the repository nor a server.

| metric | type | what it is |
|---|---|---|
"""
BACKUP_METRICS_END = "| `process_…` | | memory, processor time, open files and start of the backup |\n"


def settings() -> str:
    """The page of all settings: names and defaults from the code, meanings from settings.toml."""
    told = tomllib.loads((DOCS / "settings.toml").read_text())
    ours = GIVEN - set(OFFICIAL)
    if told.keys() != ours:
        raise SystemExit(f"settings.toml and the code differ in {sorted(told.keys() ^ ours)}")
    config = Config.from_environ({"DBHANDLER_ENGINE": "mariadb", "DBHANDLER_CLUSTER": "any"})
    parts = [f"\n## {title}\n\n{_settings_table(names, told, config)}" for title, names in READ_BY]
    return NOTE + SETTINGS_BEGIN + "".join(parts) + "\n" + SETTINGS_END


def programs() -> str:
    """The page of all programs."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = dict(
        line.split(" = ") for line in setup["options.entry_points"]["console_scripts"].splitlines() if " = " in line
    )
    parts = [f"\n## {name}\n\n```text\n{_help(name, scripts[name])}```\n" for name in sorted(scripts)]
    return NOTE + PROGRAMS_BEGIN + "".join(parts)


def metrics() -> str:
    """The page of all metrics but the library's own, of which there are more or fewer with its version."""
    sources = Sources(
        tags=dict, spool=lambda: 0, databases=lambda: 0, errors=lambda: 0, reached=lambda: True, limit=0,
        quota=lambda: Reading(0),
    )  # fmt: skip
    standing = Standing(Source("", "", ""), [Range(0.0, 0.0)], 0.0, 0.0, True, None)
    backup = backup_metrics.Metrics(lambda: [standing]).registry
    return (
        NOTE + METRICS_BEGIN + _metrics_rows(Metrics(sources).registry) + METRICS_END
        + _metrics_rows(backup, labels=False) + BACKUP_METRICS_END
    )  # fmt: skip


PAGES: Mapping[str, Callable[[], str]] = {"settings": settings, "programs": programs, "metrics": metrics}


def path_of(page: str) -> Path:
    return DOCS / "reference" / f"{page}.md"


def _metrics_rows(registry: CollectorRegistry, labels: bool = True) -> str:
    found = [metric for metric in registry.collect() if metric.name.startswith("dbhandler_")]
    names = {metric.name: _series(metric) if labels else f"`{metric.name}`" for metric in found}
    return "".join(sorted(f"| {names[one.name]} | {one.type} | {one.documentation} |\n" for one in found))


def _settings_table(names: Iterable[str], told: Mapping[str, Mapping[str, str]], config: Config) -> str:
    rows = [f"| `{name}` | {told[name]['meaning']} | {_default(told[name]['default'], config)} |\n" for name in names]
    return "| variable | meaning | default |\n|---|---|---|\n" + "".join(rows)


def _default(text: str, config: Config) -> str:
    return f"`{text.format_map(vars(config))}`" if text.startswith("{") else text


def _help(name: str, entry_point: str) -> str:
    """What a program prints, without other programs beside it whose help it would pass on."""
    module, _, function = entry_point.partition(":")
    call = f"import sys; from {module} import {function}; sys.argv[:] = ['{name}', '--help']; sys.exit({function}())"
    environ = os.environ | {"PATH": "/nonexistent", "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", call], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _series(metric: Metric) -> str:
    """The name as Prometheus shows it, with its labels."""
    name = metric.name + ("_total" if metric.type == "counter" else "")
    labels = ",".join(label for label in metric.samples[0].labels if label != "le")
    return f"`{name}{{{labels}}}`" if labels else f"`{name}`"


def main() -> None:
    """Writes all pages."""
    for page, made in PAGES.items():
        path_of(page).write_text(made())


if __name__ == "__main__":
    main()
