# Installs this node's roles at the first boot that can, and then removes itself. Written by `sensorpi card`.
set -u
repository=@REPOSITORY@
key=@KEY@
set -- @PACKAGES@

folder=/boot/firmware/sensorpi
list=/etc/apt/sources.list.d/sensorpi.list
export DEBIAN_FRONTEND=noninteractive

# The service sends standard error to the console too. What apt says is for the journal alone.
say() {
    echo "sensorpi: $*" >&2
}

apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@" 2>&1
}

# A Pi has no clock battery, and apt refuses lists of the future.
wait_for_clock() {
    tries=90
    while [ "$(timedatectl show -p NTPSynchronized --value)" != yes ] && [ "$tries" -gt 0 ]; do
        sleep 2
        tries=$((tries - 1))
    done
}

name_source() {
    if [ -d "$folder/debs" ]; then
        echo "deb [trusted=yes] file:$folder/debs ./" >"$list"
        return
    fi
    case $repository in http*) wait_for_clock ;; esac
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    install -m 644 "$folder/$key" "/usr/share/keyrings/$key" &&
        echo "deb [signed-by=/usr/share/keyrings/$key] $repository $suite main" >"$list"
}

# The configuration comes first: the roles shall start as this node, and not as a cluster of their own.
install_roles() {
    name_source &&
        apt update &&
        dpkg --configure -a 2>&1 &&
        apt install sensorpi-common &&
        { systemctl start sensorpi-config.service || true; } &&
        { apt install "$@" || apt install --no-install-recommends "$@"; }
}

delay=15
until install_roles "$@"; do
    if [ "$delay" = 15 ]; then
        say "cannot install $* yet (no network? journalctl -u sensorpi-install tells); trying again"
    fi
    sleep "$delay"
    [ "$delay" -ge 480 ] || delay=$((delay * 2))
done

if [ -d "$folder/debs" ]; then
    rm -f "$list"
fi
rm -rf "$folder"
systemctl disable sensorpi-install.service 2>&1
rm -f /etc/systemd/system/sensorpi-install.service /usr/local/sbin/sensorpi-install
say "installed $*"
