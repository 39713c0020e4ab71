# Written by `sensorpi card`. Installs this node's roles, at the first boot at which that is possible, and removes itself.
set -u
repository=@REPOSITORY@
key=@KEY@
set -- @PACKAGES@

folder=/boot/firmware/sensorpi
list=/etc/apt/sources.list.d/sensorpi.list
export DEBIAN_FRONTEND=noninteractive

# The service sends standard error to the console as well; apt's output goes to the journal only.
say() {
    echo "sensorpi: $*" >&2
}

apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@" 2>&1
}

# A Pi has no clock battery, and apt rejects package lists that are dated in the future.
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

# The configuration comes first, so that the roles start as this node and not as a one-machine cluster.
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
        say "cannot install $* yet (no network? see journalctl -u card-install); retrying"
    fi
    sleep "$delay"
    [ "$delay" -ge 480 ] || delay=$((delay * 2))
done

if [ -d "$folder/debs" ]; then
    rm -f "$list"
fi
rm -rf "$folder"
systemctl disable card-install.service 2>&1
rm -f /etc/systemd/system/card-install.service /usr/local/sbin/sensorpi-install
say "installed $*"
