# Podman's generator of systemd units (Quadlet) alone: Podman itself is not run.
ARG BASE=debian:trixie-slim
FROM ${BASE}
ARG STALE_MIRROR
RUN set -eu; apt-get ${STALE_MIRROR:+-o Acquire::Check-Valid-Until=false} update -q; cd /tmp; \
    apt-get download -q podman; dpkg-deb -x podman_*.deb /; rm -r /tmp/*.deb /var/lib/apt/lists/*
ENTRYPOINT ["/usr/lib/systemd/system-generators/podman-system-generator", "--dryrun"]
