"""The flags of small JVMs: each JVM of ours is bounded, and the real one takes them."""

import subprocess

from sensorpi.common.daemon.jvm import daemon_jvm_flags


def test_java_takes_the_flags_and_keeps_to_them() -> None:
    flags = daemon_jvm_flags(48, metaspace_mb=64, code_cache_mb=32)
    printed = subprocess.run(
        ["java", *flags, "-XX:+PrintFlagsFinal", "-version"], capture_output=True, text=True, check=True
    )
    values = {words[1]: words[3] for line in printed.stdout.splitlines() if len(words := line.split()) > 3}
    assert {name: values[name] for name in ("MaxHeapSize", "MaxMetaspaceSize", "ReservedCodeCacheSize")} == {
        "MaxHeapSize": str(48 * 1024 * 1024),
        "MaxMetaspaceSize": str(64 * 1024 * 1024),
        "ReservedCodeCacheSize": str(32 * 1024 * 1024),
    }
    switches = {"UseSerialGC": "true", "UsePerfData": "false", "ExitOnOutOfMemoryError": "true"}
    assert {name: values[name] for name in switches} == switches
    assert values["ThreadStackSize"] == "512"
