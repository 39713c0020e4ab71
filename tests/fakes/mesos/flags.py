"""Command-line flags as Mesos takes them: --name=value, --[no-]name, MESOS_NAME; an unknown one is an error."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VERSION = "1.11.0"

#: Every flag of the real programs that may be given; the double heeds those with a use here and takes the others.
_COMMON = """
    advertise_ip advertise_port authenticate_http_readonly authenticate_http_readwrite authentication_v0_timeout
    authorizers credential credentials domain firewall_rules help hooks hostname hostname_lookup http_authenticators
    http_framework_authenticators initialize_driver_logging ip ip_discovery_command log_dir logbufsecs logging_level
    memory_profiling modules modules_dir port quiet version work_dir zk_session_timeout
"""
_MASTER = """
    acls agent_ping_timeout agent_removal_rate_limit agent_reregister_timeout allocation_interval allocator
    authenticate_agents authenticate_frameworks authenticate_http_frameworks authenticators cluster
    fair_sharing_excluded_resource_names filter_gpu_resources framework_sorter log_auto_initialize
    max_agent_ping_timeouts max_completed_frameworks max_completed_tasks_per_framework
    max_unreachable_tasks_per_framework min_allocatable_resources offer_constraints_re2_max_mem offer_timeout
    publish_per_framework_metrics quorum rate_limits recovery_agent_removal_limit registry registry_fetch_timeout
    registry_gc_interval registry_max_agent_age registry_max_agent_count registry_store_timeout registry_strict
    require_agent_domain role_sorter roles root_submissions user_sorter webui_dir weights whitelist zk
"""
_AGENT = """
    agent_features appc_store_dir attributes authenticate_http_executors authenticatee authentication_backoff_factor
    authentication_timeout_max authentication_timeout_min cgroups_cpu_enable_pids_and_tids_count cgroups_enable_cfs
    cgroups_hierarchy cgroups_limit_swap cgroups_root container_disk_watch_interval container_logger containerizers
    credential default_role disallow_sharing_agent_pid_namespace disk_watch_interval docker docker_stop_timeout
    effective_capabilities enforce_container_disk_quota enforce_container_ports executor_environment_variables
    executor_registration_timeout executor_reregistration_retry_interval executor_reregistration_timeout
    executor_shutdown_grace_period fetcher_cache_dir fetcher_cache_size fetcher_stall_timeout frameworks_home
    gc_delay gc_disk_headroom gc_non_executor_container_sandboxes hadoop_home http_command_executor
    http_heartbeat_interval image_providers isolation jwt_secret_key launcher launcher_dir master master_detector
    max_completed_executors_per_framework oversubscribed_resources_interval perf_duration perf_events perf_interval
    qos_controller qos_correction_interval_min reconfiguration_policy recover recovery_timeout
    registration_backoff_factor resource_estimator resource_provider_config_dir resources revocable_cpu_low_priority
    runtime_dir sandbox_directory strict switch_user systemd_enable_support systemd_runtime_directory
    volume_gid_range xfs_project_range
"""
_BOOLEAN_FLAGS = """
    authenticate_agents authenticate_frameworks authenticate_http_executors authenticate_http_frameworks
    authenticate_http_readonly authenticate_http_readwrite cgroups_enable_cfs cgroups_limit_swap
    enforce_container_disk_quota enforce_container_ports gc_non_executor_container_sandboxes help hostname_lookup
    http_command_executor log_auto_initialize memory_profiling quiet registry_strict root_submissions strict
    switch_user systemd_enable_support version
"""

MASTER = frozenset(f"{_COMMON} {_MASTER}".split())
AGENT = frozenset(f"{_COMMON} {_AGENT}".split())
_BOOLEAN = frozenset(_BOOLEAN_FLAGS.split())

_UNITS_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
}


class FlagError(Exception):
    """A flag that the real program refuses as well."""


def load(known: frozenset[str], arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The flags' values; booleans are "true" and "false". Raises ``FlagError`` where the real program would end."""
    flags = {name: environment[variable] for name in known if (variable := f"MESOS_{name.upper()}") in environment}
    for argument in arguments:
        name, separator, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--"):
            raise FlagError(f"Failed to load unknown argument '{argument}'")
        given, is_negated = name, name.startswith("no-")
        name = name.removeprefix("no-")
        via = f" via '{given}'" if is_negated else ""
        if name not in known:
            raise FlagError(f"Failed to load unknown flag '{name}'{via}")
        if name not in _BOOLEAN and (is_negated or not separator):
            raise FlagError(f"Failed to load non-boolean flag '{name}'{via or ': Missing value'}")
        if is_negated and separator:
            raise FlagError(f"Failed to load boolean flag '{name}'{via} with value '{value}'")
        flags[name] = "false" if is_negated else value if separator else "true"
    return {name: _from_file(value) for name, value in flags.items()}


def load_or_exit(program: str, known: frozenset[str], required: Sequence[str]) -> dict[str, str]:
    """The flags of this process; a mistake ends it with status 1, as in the real program."""
    try:
        flags = load(known, sys.argv[1:], os.environ)
        if flags.get("version") == "true":
            print(f"mesos {VERSION}")
            raise SystemExit(0)
        for name in required:
            if not flags.get(name):
                raise FlagError(f"Flag '{name}' is required, but it was not provided")
    except FlagError as error:
        print(f"{error}\n\nUsage: {program} [options]", file=sys.stderr)
        raise SystemExit(1) from None
    return flags


def duration_s(text: str) -> float:
    """Seconds of a duration such as "15secs" or "1.5hrs"."""
    match = re.fullmatch(r"([0-9.]+)([a-z]+)", text)
    if match is None or match[2] not in _UNITS_S:
        raise FlagError(f"Invalid duration '{text}'")
    return float(match[1]) * _UNITS_S[match[2]]


def zookeeper(url: str) -> tuple[str, str]:
    """Hosts and path of "zk://host:port,host:port/path"."""
    match = re.fullmatch(r"zk://(?:[^@/]+@)?([^/]+)(/[^/].*[^/]|/[^/])", url)
    if match is None:
        raise FlagError(f"Failed to parse '{url}': expecting 'zk://host1:port1,host2:port2/path'")
    return match[1], match[2]


def _from_file(value: str) -> str:
    if not value.startswith("file://"):
        return value
    return Path(value.removeprefix("file://")).read_text(encoding="utf-8").strip()
