"""Stand-ins for the packages of Grafana's and Chronograf's makers, which no Debian suite has: unit, user, program.

At each start, the program records what it finds, and then does nothing.
"""

from pathlib import Path

from tests.packages.machine import run

_PROGRAM = """\
#!/bin/sh
{{ echo start; env; {look}; }} >> /var/lib/{user}/starts
exec sleep infinity
"""
_UNIT = """\
[Unit]
Description={user}
After=network-online.target
[Service]
User={user}
EnvironmentFile=-/etc/default/{unit}
ExecStart={program}
Restart=on-failure
[Install]
WantedBy=multi-user.target
"""
_POSTINST = """\
#!/bin/sh
set -e
useradd --system {user} 2>/dev/null || true
mkdir -p /var/lib/{user}
chown {user} /var/lib/{user}
systemctl daemon-reload
"""


def grafana(folder: Path) -> Path:
    """Build the .deb. As the maker's does, it neither enables nor starts its service."""
    look = "cat /etc/grafana/provisioning/*/*.yaml; ls $SENSORPI_DASHBOARDS"
    return _package(folder, "grafana", "grafana-server", "grafana", "/usr/sbin/grafana-server", look)


def chronograf(folder: Path) -> Path:
    """The same for Chronograf."""
    return _package(folder, "chronograf", "chronograf", "chronograf", "/usr/bin/chronograf", "ls $RESOURCES_PATH")


def _package(folder: Path, name: str, unit: str, user: str, program: str, look: str) -> Path:
    tree = folder / name
    files = {
        program: _PROGRAM.format(look=look, user=user),
        f"/usr/lib/systemd/system/{unit}.service": _UNIT.format(user=user, unit=unit, program=program),
        f"/etc/default/{unit}": "# the administrator's\n",
        "/DEBIAN/conffiles": f"/etc/default/{unit}\n",
        "/DEBIAN/postinst": _POSTINST.format(user=user),
        "/DEBIAN/control": (
            f"Package: {name}\nVersion: 99\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n"
            f"Description: stand-in for {name}\n"
        ),
    }
    for path, text in files.items():
        file = tree / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if path in (program, "/DEBIAN/postinst") else 0o644)
    run("dpkg-deb", "--root-owner-group", "--build", tree, folder)
    return folder / f"{name}_99_all.deb"
