"""How `make run` starts Grafana, if it is installed: provisioned, with its data in one folder, on loopback."""

import os
import shutil
from pathlib import Path

from onebox.home import ROOT
from sensorpi.common.errors import UserError

#: Where Grafana's Debian package installs its files.
_PACKAGED_HOME = Path("/usr/share/grafana")


def grafana_process(
    directory: Path, port: int, influxdb_url: str, reader_password: str, admin_password: str
) -> tuple[list[str], dict[str, str]]:
    """The command line and the whole environment of a Grafana that keeps its data in ``directory``.

    The data source and the dashboards are the project's own files, which read the rest from the environment.
    ``admin_password`` is used at the first start only; then Grafana keeps it in its database.
    Raises UserError when Grafana is not on PATH.
    """
    for name in "data", "logs", "plugins":
        (directory / name).mkdir(parents=True, exist_ok=True)
    dashboards = ROOT / "grafana" / "dashboards"
    settings = {
        "PATHS_DATA": str(directory / "data"),
        "PATHS_LOGS": str(directory / "logs"),
        "PATHS_PLUGINS": str(directory / "plugins"),
        "PATHS_PROVISIONING": str(ROOT / "grafana" / "provisioning"),
        "SERVER_HTTP_ADDR": "127.0.0.1",
        "SERVER_HTTP_PORT": str(port),
        "SECURITY_ADMIN_USER": "admin",
        "SECURITY_ADMIN_PASSWORD": admin_password,
        "SECURITY_DISABLE_GRAVATAR": "true",
        "AUTH_ANONYMOUS_ENABLED": "false",
        "USERS_ALLOW_SIGN_UP": "false",
        "DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(dashboards / "envirophat.json"),
        # By default it sends reports to its makers and downloads plugins.
        "ANALYTICS_REPORTING_ENABLED": "false",
        "ANALYTICS_CHECK_FOR_UPDATES": "false",
        "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "NEWS_NEWS_FEED_ENABLED": "false",
        "PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
        "PLUGINS_PREINSTALL_DISABLED": "true",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GF_")}
    environment |= {f"GF_{name}": value for name, value in settings.items()}
    environment |= {
        "SENSORPI_INFLUXDB_URL": influxdb_url,
        "SENSORPI_READER_PASSWORD": reader_password,
        "SENSORPI_DASHBOARDS": str(dashboards),
    }
    return _command_line(), environment


def _command_line() -> list[str]:
    """``grafana-server``, or ``grafana server`` for newer releases, with the folder of its web files."""
    for name, arguments in (("grafana-server", []), ("grafana", ["server"])):
        found = shutil.which(name)
        if found is not None:
            home = _PACKAGED_HOME
            if not (home / "conf" / "defaults.ini").is_file():  # an unpacked tarball: HOME/bin/grafana-server
                home = Path(found).resolve().parent.parent
            return [found, *arguments, f"--homepath={home}"]
    raise UserError("Grafana is not installed: neither grafana-server nor grafana is on PATH")
