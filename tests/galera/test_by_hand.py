"""A cluster that its owner makes by hand, with options as for the official image: it is not ours to form."""

from __future__ import annotations

from tests.support.docker import docker, eventually
from tests.support.faults import Container, Site
from tests.support.galera import IMAGE, PATIENCE

ROOT = "the-root-password"


def started(site: Site, name: str, method: str, *more: str, **environ: str) -> Container:
    options = (
        "--wsrep-on=ON", "--wsrep-provider=/usr/lib/libgalera_smm.so", "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2", f"--wsrep-sst-method={method}", *more,
    )  # fmt: skip
    variables = [part for key, value in environ.items() for part in ("-e", f"{key}={value}")]
    site.run(IMAGE, *options, options=variables, name=name)
    return Container(name)


def asked(node: Container, statement: str) -> str:
    return docker(
        "exec", "-e", f"MYSQL_PWD={ROOT}", node.name, "mariadb", "-uroot", "-Nse", statement, check=False
    ).stdout


def test_a_node_gets_all_data_by_rsync_and_is_the_same_after_a_restart(site: Site) -> None:
    first, second = site.name("donor"), site.name("joiner")
    donor = started(
        site, first, "rsync", "--wsrep-new-cluster", f"--wsrep-cluster-address=gcomm://{first}",
        MARIADB_ROOT_PASSWORD=ROOT, MARIADB_DATABASE="shop",
    )  # fmt: skip
    synced = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_local_state'"
    eventually("the donor", lambda: asked(donor, synced).split()[-1:] == ["4"], PATIENCE)
    asked(donor, "CREATE TABLE shop.t (a INT PRIMARY KEY); INSERT INTO shop.t VALUES (42)")
    joiner = started(
        site, second, "rsync", f"--wsrep-cluster-address=gcomm://{first}", MARIADB_ALLOW_EMPTY_ROOT_PASSWORD="1"
    )
    eventually("the joiner", lambda: asked(joiner, synced).split()[-1:] == ["4"], PATIENCE)
    assert "rsync" in docker("logs", second).stdout
    assert asked(joiner, "SELECT a FROM shop.t").split()[-1] == "42"
    docker("restart", "-t", "100", second)
    eventually("the joiner again", lambda: asked(joiner, synced).split()[-1:] == ["4"], PATIENCE)
    eventually("its health", lambda: docker("exec", second, "dbhandler-health", check=False).returncode == 0, PATIENCE)
    for node in (donor, joiner):
        site.remove(node)
