"""`sensorpi status`: each installed role with its services."""

from sensorpi.common.config.status_command import status_lines

UNITS = {
    "sensorpi-sensor.target": {"ActiveState": "active", "Wants": "sensorpi-sensor.service"},
    "sensorpi-sensor.service": {
        "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "StatusText": "12 readings",
    },
    "sensorpi-influx-grafana.target": {
        "ActiveState": "active", "Wants": "influxdb.service grafana-server.service sensorpi-config.service",
    },
    "influxdb.service": {"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "StatusText": ""},
    "grafana-server.service": {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"},
    "sensorpi-config.service": {"LoadState": "loaded", "ActiveState": "active", "SubState": "exited"},
}  # fmt: skip


def test_a_service_is_shown_with_its_own_status_line() -> None:
    lines, all_well = status_lines(["sensor"], UNITS.__getitem__)
    assert lines == ["sensor: active", "  sensorpi-sensor: active: 12 readings"]
    assert all_well


def test_a_failed_service_is_seen_though_its_target_is_active() -> None:
    lines, all_well = status_lines(["influx-grafana"], UNITS.__getitem__)
    assert "  influxdb: failed: failed" in lines
    assert not all_well


def test_what_is_not_installed_is_not_shown() -> None:
    lines, _ = status_lines(["influx-grafana"], UNITS.__getitem__)
    assert not any("grafana-server" in line for line in lines)


def test_a_unit_that_the_cluster_file_holds_back_is_not_shown() -> None:
    held_back = {
        "LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead",
        "ConditionResult": "no", "ConditionTimestampMonotonic": "7",
    }  # fmt: skip
    units = {
        "sensorpi-mesos-worker.target": {"ActiveState": "active", "Wants": "a.service b.service c.service"},
        "a.service": held_back,
        "b.service": {"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed"},
        "c.service": held_back | {"ConditionTimestampMonotonic": "0"},
    }
    lines, _ = status_lines(["mesos-worker"], units.__getitem__)
    assert lines == ["mesos-worker: active", "  b: failed: failed", "  c: inactive: dead"]


def test_a_machine_without_a_role_reports_that() -> None:
    [line], all_well = status_lines([], UNITS.__getitem__)
    assert "no role is installed" in line
    assert all_well
