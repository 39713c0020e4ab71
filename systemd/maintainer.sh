# shellcheck shell=sh
# What the roles' maintainer scripts share.

# role_configured ROLE [UNIT ...]: start the role after an installation; after an upgrade restart those of the units
# that run. Nothing is waited for: a broker is started only once it has met the others.
role_configured() {
    role=$1
    shift
    [ -d /run/systemd/system ] || return 0 # an image being built: the next boot starts it
    systemctl --system daemon-reload || true
    # A mistake in cluster.toml is said in one line, and does not make the installation fail.
    sensorpi config apply || true
    if [ -e "/run/sensorpi-$role.installed" ]; then
        rm -f "/run/sensorpi-$role.installed"
        deb-systemd-invoke start sensorpi-config.service "sensorpi-$role.target" || true
    elif [ $# -gt 0 ]; then
        systemctl --no-block try-restart "$@" || true
    fi
}

# role_removed UNIT ...: stop them. What is gone has not failed.
role_removed() {
    deb-systemd-invoke stop "$@" || true
    systemctl reset-failed "$@" 2>/dev/null || true
}

# role_joined ROLE UNIT ...: start these units of other packages, which came later, where the role runs.
role_joined() {
    systemctl --quiet is-active "sensorpi-$1.target" || return 0
    shift
    systemctl daemon-reload || true
    systemctl --no-block start "$@" 2>/dev/null || true
}
