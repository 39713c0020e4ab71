"""How `make run` starts Grafana, as far as that shows without one."""

import re
from pathlib import Path

import pytest

from onebox.grafana import grafana_process
from sensorpi.common.errors import UserError

ARGUMENTS = (3000, "http://127.0.0.1:8086", "reader-secret", "admin-secret")
PROVISIONING = Path(__file__).parents[3] / "grafana" / "provisioning"


@pytest.fixture
def tarball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Grafana's home as unpacked from its tarball, with its programs on PATH."""
    home = tmp_path / "grafana-11"
    (home / "bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(home / "bin"))
    return home


def install(home: Path, name: str) -> Path:
    program = home / "bin" / name
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    return program


def test_grafana_server_is_started_with_its_home(tarball: Path, tmp_path: Path) -> None:
    program = install(tarball, "grafana-server")
    argv, _ = grafana_process(tmp_path, *ARGUMENTS)
    assert argv == [str(program), f"--homepath={tarball}"]


def test_a_grafana_without_its_old_name_starts_by_the_new_one(tarball: Path, tmp_path: Path) -> None:
    program = install(tarball, "grafana")
    argv, _ = grafana_process(tmp_path, *ARGUMENTS)
    assert argv == [str(program), "server", f"--homepath={tarball}"]


@pytest.mark.usefixtures("tarball")
def test_without_grafana_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Grafana is not installed"):
        grafana_process(tmp_path, *ARGUMENTS)


def test_no_secret_is_on_the_command_line(tarball: Path, tmp_path: Path) -> None:
    install(tarball, "grafana-server")
    argv, environment = grafana_process(tmp_path, *ARGUMENTS)
    assert not {"reader-secret", "admin-secret"} & set(" ".join(argv).replace("=", " ").split())
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == "admin-secret"


def test_it_listens_on_loopback_and_asks_for_a_password(tarball: Path, tmp_path: Path) -> None:
    install(tarball, "grafana-server")
    _, environment = grafana_process(tmp_path, *ARGUMENTS)
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert environment["GF_SERVER_HTTP_PORT"] == "3000"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_its_data_stays_in_its_folder(tarball: Path, tmp_path: Path) -> None:
    install(tarball, "grafana-server")
    _, environment = grafana_process(tmp_path / "grafana", *ARGUMENTS)
    for name in "GF_PATHS_DATA", "GF_PATHS_LOGS", "GF_PATHS_PLUGINS":
        assert Path(environment[name]).parent == tmp_path / "grafana"
        assert Path(environment[name]).is_dir()


def test_the_caller_s_grafana_settings_do_not_reach_it(
    tarball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tarball, "grafana-server")
    monkeypatch.setenv("GF_AUTH_ANONYMOUS_ORG_ROLE", "Admin")
    _, environment = grafana_process(tmp_path, *ARGUMENTS)
    assert "GF_AUTH_ANONYMOUS_ORG_ROLE" not in environment


def test_every_variable_of_the_provisioning_files_is_set(tarball: Path, tmp_path: Path) -> None:
    install(tarball, "grafana-server")
    _, environment = grafana_process(tmp_path, *ARGUMENTS)
    assert Path(environment["GF_PATHS_PROVISIONING"]) == PROVISIONING
    wanted: set[str] = set()
    for path in PROVISIONING.rglob("*.yaml"):
        wanted |= set(re.findall(r"\$([A-Z_]+)", path.read_text(encoding="utf-8")))
    assert wanted == {"SENSORPI_INFLUXDB_URL", "SENSORPI_READER_PASSWORD", "SENSORPI_DASHBOARDS"}
    assert all(environment[name] for name in wanted)
    assert (Path(environment["SENSORPI_DASHBOARDS"]) / "envirophat.json").is_file()
