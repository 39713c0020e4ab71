"""The archive of the classes that Spark's JVM loads (class data sharing): with it, a start takes half the CPU time.

An archive fits one build of Java and one set of jars, so it cannot come in a package. A job that starts without one has
it made, once, at the lowest priority while the stream flows.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sensorpi.common.daemon import untrusted
from sensorpi.common.errors import UserError
from sensorpi.common.files import rename

_log = logging.getLogger(__name__)

#: After this many seconds, the classes that matter are loaded.
_WARM_S = 60.0
#: The JVM that makes the archive takes up to 600 MB (measured with Java 17).
_FREE_MB = 800
_AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)


class ClassArchive:
    """The archive for one command line of the JVM, in the folder ``folder``."""

    def __init__(self, folder: Path, java: str, class_path: Sequence[str]) -> None:
        """``class_path`` consists of entries like ``/folder/*``."""
        self._java = java
        self._class_path = ":".join(class_path)
        self.file = folder / f"spark-{_fingerprint(java, class_path)}.jsa"
        self._made = folder / "spark.made"
        self._list = folder / "spark.classes"

    def flags(self) -> list[str]:
        """The JVM's flags, with which it uses the archive, or writes down what belongs into one."""
        try:
            if self._is_whole():
                return [f"-XX:SharedArchiveFile={self.file}", "-Xlog:cds=off"]
            self._list.parent.mkdir(parents=True, exist_ok=True)
            if not self._list.is_file():
                _delete(self._list)
        except OSError as error:
            _log.warning("The classes of Spark are not archived: %s", error)
            return []
        return [f"-XX:DumpLoadedClassList={self._list}"]

    def finish(self) -> None:
        """Note that the archive is complete."""
        self._made.write_text(_stamp(self.file))

    def _is_whole(self) -> bool:
        """Whether there is an archive, as it was made; a damaged one is deleted, because it can end the JVM."""
        if not os.path.lexists(self.file):
            return False
        with suppress(OSError):  # a link to itself
            if untrusted.load(self._made, str) == _stamp(self.file):
                return True
        _log.warning("%s is not as it was made; it is deleted and made again", self.file)
        _delete(self.file)
        return False

    def make(self, stop: threading.Event) -> None:
        """Make the archive unless there is one; return when that is done, or when ``stop`` is set."""
        if self.file.exists() or stop.wait(_WARM_S) or not self._list.exists():
            return
        if _available_mb() < _FREE_MB:
            _log.info("Less than %d MB are available, so the next start of Spark will not be faster", _FREE_MB)
            return
        try:
            with self._list.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._make(stop)
        except BlockingIOError:
            return  # another job of this machine is making it
        except (OSError, UserError) as error:
            _log.warning("The classes of Spark are not archived, so the next start will not be faster: %s", error)

    def _make(self, stop: threading.Event) -> None:
        classes, archive = self._list.with_suffix(".list"), self._list.with_suffix(".new")
        try:
            # The JVM is still writing: its last line may not be complete.
            classes.write_bytes(self._list.read_bytes().rpartition(b"\n")[0])
            status = self._run(classes, archive, stop)
            if status == 0:
                _flush(archive)
                for old in self.file.parent.glob("spark-*.jsa"):
                    old.unlink()
                rename(archive, self.file)
                self.finish()
            elif not stop.is_set():
                raise OSError(f"java -Xshare:dump ended with status {status}")
        finally:
            classes.unlink(missing_ok=True)
            archive.unlink(missing_ok=True)

    def _run(self, classes: Path, archive: Path, stop: threading.Event) -> int:
        command = [self._java, "-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={archive}"]
        options = ["-XX:+UseSerialGC", "-Xmx128m", "-cp", self._class_path]
        process = subprocess.Popen(
            ["nice", "-n", "19", *command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if stop.wait(0.5):
                process.terminate()
        return process.wait()


def _delete(path: Path) -> None:
    """Delete a file, or what is in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(file: Path) -> None:
    """Have it on the disk before it gets its name: a power cut must not leave a file of zeros."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fingerprint(java: str, class_path: Sequence[str]) -> str:
    """Differs when Java or a jar is another one."""
    program = Path(os.path.realpath(shutil.which(java) or java))
    jars = sorted(jar for entry in class_path for jar in Path(entry).parent.glob("*.jar"))
    found = [(str(each), status.st_size, status.st_mtime_ns) for each in (program, *jars) for status in [each.stat()]]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def _stamp(file: Path) -> str:
    """Differs when the file was written again, or only in part."""
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns}\n"


def _available_mb() -> int:
    found = _AVAILABLE.search(Path("/proc/meminfo").read_text(encoding="ascii"))
    return int(found[1]) // 1024 if found else 0
