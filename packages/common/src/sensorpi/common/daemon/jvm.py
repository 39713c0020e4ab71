"""The flags of a JVM that fits a Pi with 1 GB."""

#: Environment variables of every JVM: by default, glibc reserves an arena of 64 MB for each thread.
JVM_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


def small_jvm_flags(code_cache_mb: int, stack_kb: int) -> list[str]:
    """The flags that all JVMs have: one garbage collector thread, a bounded code cache, and no counters in /tmp."""
    return [
        f"-Xss{stack_kb}k",
        "-XX:+UseSerialGC",
        f"-XX:ReservedCodeCacheSize={code_cache_mb}m",
        "-XX:-UsePerfData",  # by default a JVM keeps writing counters to a file in /tmp
    ]


def daemon_jvm_flags(heap_mb: int, metaspace_mb: int, code_cache_mb: int) -> list[str]:
    """The flags of a daemon's JVM: all parts of its memory are bounded, and it ends when it runs out of memory."""
    return [
        f"-Xmx{heap_mb}m",
        f"-XX:MaxMetaspaceSize={metaspace_mb}m",
        *small_jvm_flags(code_cache_mb, stack_kb=512),
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:+ErrorFileToStderr",
        "-Djava.awt.headless=true",
    ]
