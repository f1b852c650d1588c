# A server of Debian oldstable, to make volumes as another image would have left them.
ARG BASE
FROM ${BASE}
RUN set -eu; \
    groupadd --system --gid 999 mysql; useradd --system --uid 999 --gid 999 --no-create-home mysql; \
    apt-get update -q; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        mariadb-server-core mariadb-client-core; \
    apt-get clean; rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
