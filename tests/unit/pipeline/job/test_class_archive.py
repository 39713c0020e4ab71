"""The class archive: what the JVM is told to do, and when a new one is made."""

import fcntl
import threading
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.pipeline.job import class_archive
from sensorpi.pipeline.job.class_archive import ClassArchive

#: In place of Java: keeps the list as the archive.
_JAVA = """\
#!/bin/sh
for word; do
    case $word in
        -XX:SharedClassListFile=*) list=${word#*=} ;;
        -XX:SharedArchiveFile=*) archive=${word#*=} ;;
    esac
done
exec cp "$list" "$archive"
"""


@pytest.fixture
def java(tmp_path: Path) -> Path:
    program = tmp_path / "java"
    program.write_text(_JAVA)
    program.chmod(0o755)
    return program


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    jar = tmp_path / "jars/a.jar"
    jar.parent.mkdir()
    jar.write_text("1")
    return jar


@pytest.fixture
def folder(tmp_path: Path, mocker: MockerFixture) -> Path:
    mocker.patch.object(class_archive, "_WARM_S", 0.0)
    return tmp_path / "cache"


def archive(folder: Path, java: Path, jar: Path) -> ClassArchive:
    return ClassArchive(folder, str(java), [f"{jar.parent}/*"])


def archives(folder: Path) -> list[str]:
    return [each.read_text() for each in folder.glob("*.jsa")]


def test_the_first_start_writes_the_list(folder: Path, java: Path, jar: Path) -> None:
    assert archive(folder, java, jar).flags() == [f"-XX:DumpLoadedClassList={folder}/spark.classes"]
    assert folder.is_dir()


def test_the_next_start_uses_the_archive(folder: Path, java: Path, jar: Path) -> None:
    first = archive(folder, java, jar)
    first.flags()
    (folder / "spark.classes").write_text("java/lang/Object\njava/la")
    first.make(threading.Event())
    assert archives(folder) == ["java/lang/Object"]  # without the line that was not complete
    [made] = folder.glob("*.jsa")
    assert archive(folder, java, jar).flags()[0] == f"-XX:SharedArchiveFile={made}"


@pytest.mark.parametrize("changed", ["java", "jar"])
def test_an_upgrade_replaces_the_archive(folder: Path, java: Path, jar: Path, changed: str) -> None:
    for text in ("old", "new"):
        current = archive(folder, java, jar)
        current.flags()
        (folder / "spark.classes").write_text(f"{text}\n")
        current.make(threading.Event())
        assert archives(folder) == [text]
        (java if changed == "java" else jar).write_text(_JAVA + "# upgraded\n")


def test_a_small_machine_goes_without(folder: Path, java: Path, jar: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(class_archive, "_available_mb", return_value=500)
    current = archive(folder, java, jar)
    current.flags()
    (folder / "spark.classes").write_text("a\n")
    current.make(threading.Event())
    assert archives(folder) == []


def test_a_failure_is_one_line_and_leaves_nothing(
    folder: Path, java: Path, jar: Path, caplog: pytest.LogCaptureFixture
) -> None:
    java.write_text("#!/bin/sh\nexit 1\n")
    current = archive(folder, java, jar)
    current.flags()
    (folder / "spark.classes").write_text("a\n")
    current.make(threading.Event())
    assert sorted(each.name for each in folder.iterdir()) == ["spark.classes", "spark.lock"]
    assert [each.getMessage().partition(": ")[2] for each in caplog.records] == [
        "java -Xshare:dump ended with status 1"
    ]


def test_one_job_at_a_time_makes_it(folder: Path, java: Path, jar: Path) -> None:
    current = archive(folder, java, jar)
    current.flags()
    (folder / "spark.classes").write_text("a\n")
    with (folder / "spark.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current.make(threading.Event())
    assert archives(folder) == []


def test_a_stop_ends_the_work(folder: Path, java: Path, jar: Path) -> None:
    java.write_text("#!/bin/sh\nexec sleep 600\n")
    current = archive(folder, java, jar)
    current.flags()
    (folder / "spark.classes").write_text("a\n")
    stop = threading.Event()
    making = threading.Thread(target=current.make, args=(stop,))
    making.start()
    stop.set()
    making.join(timeout=30)
    assert not making.is_alive()
    assert archives(folder) == []
