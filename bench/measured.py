"""What is measured, and of which readers."""

from dataclasses import dataclass

JOB, TELEGRAF, HAND_WRITTEN, CEILING = "job", "telegraf", "confluent", "influxdb"

TITLES = {
    JOB: "the job",
    TELEGRAF: "Telegraf",
    HAND_WRITTEN: "confluent-kafka consumer",
    CEILING: "InfluxDB alone, prepared lines",
}


@dataclass(frozen=True)
class Drain:
    """Rates in points a second, times in seconds since the launch. What a reader does not have is None."""

    scenario: str
    reader: str
    steady_per_s: float
    from_launch_per_s: float | None = None
    #: CPU seconds of all of its processes for a million readings: with its start, and after the first point.
    cpu_s_per_million: float | None = None
    cpu_s_per_million_after_start: float | None = None
    first_point_s: float | None = None
    first_point_cpu_s: float | None = None
    #: At the end of the drain.
    pss_mb: float | None = None


@dataclass(frozen=True)
class Flow:
    """A reader at one rate. ``core_share`` is the CPU time of each process as a part of one core."""

    reader: str
    trigger_ms: int | None
    rate_hz: float
    seconds: float
    probes: int
    p50_ms: float | None
    p99_ms: float | None
    #: Probes that were not stored within 30 s of the last reading.
    missing: int
    #: How far the sender was behind its times at most.
    sender_behind_ms: float
    core_share: dict[str, float]

    @property
    def reader_core_share(self) -> float:
        """Of all of the reader's processes."""
        return sum(share for name, share in self.core_share.items() if name.startswith(TITLES[self.reader]))
