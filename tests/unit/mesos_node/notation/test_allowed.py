"""What a broker may be given: what tunes it, and nothing that loads, opens or starts something."""

import pytest

from sensorpi.common.errors import UserError
from sensorpi.mesos_node.notation.allowed import check_properties, jvm_words


def test_what_tunes_the_jvm_is_allowed() -> None:
    text = "-Xint -Xss256k -XX:+UseSerialGC -XX:MaxMetaspaceSize=96m '-XX:MaxRAMPercentage=12.5' -Duser.timezone=UTC"
    assert jvm_words(text) == text.replace("'", "").split()


@pytest.mark.parametrize(
    "word",
    [
        "-agentlib:jdwp=transport=dt_socket,server=y,address=*:5005",
        "-javaagent:/tmp/x.jar",
        "-cp",
        "/tmp/x.jar",
        "Main",
        "@/tmp/arguments",
        "-Dcom.sun.management.jmxremote.port=9999",
        "-Dlog4j2.configurationFile=http://10.0.0.66/x",
        "-XX:OnOutOfMemoryError=reboot",
        "-XX:Flags=/tmp/x",
        "-XX:HeapDumpPath=/etc",
        "-Xbootclasspath/a:/tmp",
        "-Xlog:all:/etc/x",
        "-Xrunjdwp",
        "--add-exports=a",
        "-Xss1m\n-agentlib:x",
        "",
    ],
)
def test_what_does_more_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="are allowed"):
        jvm_words(f"-Xint '{word}'")


@pytest.mark.parametrize(
    "name",
    [
        "num.io.threads",
        "log.retention.ms",
        "log.segment.bytes",
        "auto.create.topics.enable",
        "min.insync.replicas",
        "replica.lag.time.max.ms",
        "socket.request.max.bytes",
        "message.max.bytes",
        "unclean.leader.election.enable",
        "transaction.state.log.segment.bytes",
        "offsets.retention.minutes",
    ],
)
def test_properties_that_tune_are_allowed(name: str) -> None:
    check_properties([name], "broker-1")


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "listeners",
        "log.dirs",
        "log.dir",
        "metadata.log.dir",
        "metric.reporters",
        "auto.include.jmx.reporter",
        "authorizer.class.name",
        "super.users",
        "group.consumer.assignors",
        "replica.selector.class",
        "remote.log.storage.manager.class.path",
        "config.providers",
        "sasl.jaas.config",
        "listener.name.x.sasl.jaas.config",
        "ssl.keystore.location",
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
        "broker.rack\nlisteners",
        "log.message.Format",
    ],
)
def test_properties_that_do_more_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot be set: only Kafka"):
        check_properties(["num.io.threads", name], "broker-1")
