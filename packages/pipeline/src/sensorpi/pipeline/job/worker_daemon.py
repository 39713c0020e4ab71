"""The process from which Spark's Python workers are forked: PySpark's own, started with less and with more.

Less: Spark puts its archives into the search path of modules, jars included. PySpark has the search path read again
before each task, and Python reads the whole directory of an archive for that, which takes longer than all else that a
worker does for a small batch. PySpark is installed outside the archives as well, with its modules compiled.

More: what the workers use is imported before they are forked, so that they share it.
"""

import gc
import sys

ARCHIVES = (".zip", ".jar")


def main() -> None:
    """Run until Spark closes the standard input."""
    sys.path[:] = [entry for entry in sys.path if not entry.endswith(ARCHIVES)]
    for entry in [entry for entry in sys.path_importer_cache if entry.endswith(ARCHIVES)]:
        del sys.path_importer_cache[entry]

    # Not before: they would come from an archive.
    from pyspark.daemon import manager

    from sensorpi.pipeline.job import sink  # noqa: F401

    gc.freeze()  # a worker collects garbage after every task, and need not look at all this
    manager()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
