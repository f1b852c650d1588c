"""Where the parts meet in the file system.

Apart from settings/config.py because the Serf handlers, which run once per request, cannot afford its imports.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_DIR = "/var/lib/dbhandler"
RUN_DIR = "/run/dbhandler"


def state_dir(environ: "Mapping[str, str]") -> str:
    """The durable folder: spool, key, known peers, pending password."""
    return environ.get("DBHANDLER_STATE_DIR") or STATE_DIR


def run_dir(environ: "Mapping[str, str]") -> str:
    """The disposable folder: sockets, generated configuration, secrets handed between our processes."""
    return environ.get("DBHANDLER_RUN_DIR") or RUN_DIR


def spool_dir(environ: "Mapping[str, str]") -> str:
    """The folder of user events that have been received and not yet handled."""
    return state_dir(environ) + "/spool"


def memory_spool_dir(environ: "Mapping[str, str]") -> str:
    """The spool for the moments in which the durable one has no room: in memory, one per run folder."""
    return "/dev/shm/dbhandler" + run_dir(environ).replace("/", "-")  # noqa: S108


def control_socket(environ: "Mapping[str, str]") -> str:
    """The Unix socket of supervisord, in memory: it makes a hard link to it, and a kill meanwhile leaves, on the
    layered file systems of some container engines, a name that the next start can neither use nor remove."""
    return environ.get("DBHANDLER_CONTROL") or memory_spool_dir(environ) + "-supervisor.sock"


def wake_fifo(environ: "Mapping[str, str]") -> str:
    """The FIFO whose bytes tell the agent that the spool has grown."""
    return run_dir(environ) + "/wake"


def agent_socket(environ: "Mapping[str, str]") -> str:
    """The Unix socket on which the agent answers queries."""
    return run_dir(environ) + "/agent.sock"
