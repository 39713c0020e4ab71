"""The flags of a JVM that fits a Pi with 1 GB."""

#: What a JVM is started with besides: glibc would keep an arena of 64 MB for each of its threads.
JVM_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


def small_jvm_flags(code_cache_mb: int, stack_kb: int) -> list[str]:
    """One collector thread, a bounded code cache, small stacks for its threads, and no counters in /tmp."""
    return [
        f"-Xss{stack_kb}k",
        "-XX:+UseSerialGC",
        f"-XX:ReservedCodeCacheSize={code_cache_mb}m",
        "-XX:-UsePerfData",  # without it the JVM keeps writing counters to a file in /tmp
    ]


def daemon_jvm_flags(heap_mb: int, metaspace_mb: int, code_cache_mb: int) -> list[str]:
    """The flags of a daemon: its memory is bounded in all its parts, and it ends when it has used it up."""
    return [
        f"-Xmx{heap_mb}m",
        f"-XX:MaxMetaspaceSize={metaspace_mb}m",
        *small_jvm_flags(code_cache_mb, stack_kb=512),
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:+ErrorFileToStderr",
        "-Djava.awt.headless=true",
    ]
