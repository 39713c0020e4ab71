# shellcheck shell=sh
# What the roles' postinst scripts share.

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
