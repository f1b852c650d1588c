# Debian's Prometheus, for the tests of the metrics, the alert rules and the dashboards; and the exporter of those.
ARG BASE=debian:trixie-slim
FROM ${BASE}
ARG STALE_MIRROR
# Debian's package starts its service; there is nothing to start in an image.
RUN set -eu; \
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; \
    apt-get ${STALE_MIRROR:+-o Acquire::Check-Valid-Until=false} update -q; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends prometheus prometheus-mysqld-exporter; \
    apt-get clean; rm -rf /var/lib/apt/lists/*; \
    install -d -o prometheus /rules /data
USER prometheus
WORKDIR /rules
EXPOSE 9090
ENTRYPOINT ["prometheus", "--config.file=/rules/prometheus.yml", "--storage.tsdb.path=/data"]
