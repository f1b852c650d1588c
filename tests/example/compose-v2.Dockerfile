# Compose v2 for machines that have none: run with the engine's socket.
ARG BASE
FROM ${BASE}
RUN set -eu; \
    apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends docker-compose; \
    apt-get clean; rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
