# shellcheck shell=sh
# Functions that the maintainer scripts of the roles share. A role's package, its target and its flag have the same name.

# role_configured PACKAGE [UNIT ...]: start the role after an installation; after an upgrade, restart those of the units
# that are running. This waits for nothing: a broker is not started until it has reached the others.
role_configured() {
    package=$1
    shift
    [ -d /run/systemd/system ] || return 0 # an image is being built: the role starts at its next boot
    systemctl --system daemon-reload || true
    # A mistake in cluster.toml prints one line, and the installation succeeds.
    sensorpi config apply || true
    if [ -e "/run/$package.installed" ]; then
        rm -f "/run/$package.installed"
        deb-systemd-invoke start sensorpi-config.service "$package.target" || true
    elif [ $# -gt 0 ]; then
        systemctl --no-block try-restart "$@" || true
    fi
}

# role_removed PACKAGE: stop its units, so that a service without files does not count as failed.
role_removed() {
    # An agent whose engine is still Mesos leaves its tasks running. The postrm renders this file again for other roles.
    [ "$1" != sensorpi-mesos-worker ] || rm -f /run/sensorpi/engine-mesos
    units=$(dpkg-query --listfiles "$1" | sed -En 's|^(/usr)?/lib/systemd/system/(sensorpi-[^/.]*\.[a-z]*)$|\2|p')
    # shellcheck disable=SC2086  # a list of words
    deb-systemd-invoke stop $units || true
    # shellcheck disable=SC2086
    systemctl reset-failed $units 2>/dev/null || true
}

# role_joined PACKAGE UNIT ...: start these units of other packages, if the role is running.
role_joined() {
    systemctl --quiet is-active "$1.target" || return 0
    shift
    systemctl daemon-reload || true
    systemctl --no-block start "$@" 2>/dev/null || true
}
