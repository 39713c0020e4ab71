"""Durable writing: a file has its old content or its new content, whole, whatever fails."""

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from sensorpi.common import files
from sensorpi.common.errors import UserError
from sensorpi.common.files import create, remove, rename, render, write

names = st.text("abcdefgh.", min_size=1, max_size=8).filter(lambda name: name.strip("."))


@settings(deadline=None, max_examples=25)  # how long fsync takes depends on the disk
@given(st.dictionaries(names, st.text()))
def test_rendering_twice_changes_nothing_the_second_time(contents: dict[str, str]) -> None:
    with TemporaryDirectory() as directory:
        assert render(contents, Path(directory)) == list(contents)
        assert render(contents, Path(directory)) == []
        assert {path.name: path.read_bytes().decode() for path in Path(directory).iterdir()} == contents


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    render({"a": "1", "sub/b": "2"}, tmp_path)
    untouched = (tmp_path / "a").stat().st_ino
    assert render({"a": "1", "sub/b": "3"}, tmp_path) == ["sub/b"]
    assert (tmp_path / "a").stat().st_ino == untouched


def test_a_reader_keeps_the_old_file_whole(tmp_path: Path) -> None:
    write(tmp_path / "a", "old")
    with (tmp_path / "a").open() as reader:
        write(tmp_path / "a", "new and longer")
        assert reader.read() == "old"


def test_a_file_is_for_its_owner_and_group_only(tmp_path: Path) -> None:
    write(tmp_path / "a", "secret")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_files_mode_and_group_are_as_asked(tmp_path: Path) -> None:
    write(tmp_path / "a", "1", mode=0o604, group_id=os.getgid())
    found = (tmp_path / "a").stat()
    assert (found.st_mode & 0o777, found.st_gid) == (0o604, os.getgid())


def test_a_file_system_without_modes_is_asked_for_none(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(os, "fchmod", side_effect=PermissionError(errno.EPERM, os.strerror(errno.EPERM)))
    write(tmp_path / "a", "1", mode=None)
    assert (tmp_path / "a").read_text() == "1"


@pytest.mark.parametrize("content", ["ä", "ä".encode(), Path("source")])
def test_a_content_is_a_text_bytes_or_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: files.Content
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("source").write_text("ä", encoding="utf-8")
    write(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == "ä".encode()


def test_an_existing_file_is_not_created_again(tmp_path: Path) -> None:
    assert create(tmp_path / "a", "first")
    assert not create(tmp_path / "a", "second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "first")]


@pytest.fixture
def calls(mocker: MockerFixture) -> list[str]:
    """Fills with the calls that bring something to the disk or change a name: ["fsync temporary", "replace a", …]."""
    done: list[str] = []

    def note(function: str, argument: int) -> None:
        original: Callable[..., object] = getattr(os, function)

        def call(*arguments: int | str | Path, **options: object) -> object:
            target = arguments[argument]
            path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else Path(target)
            done.append(f"{function} {'temporary' if path.name.endswith(files.TEMPORARY) else path.name}")
            return original(*arguments, **options)

        mocker.patch.object(os, function, side_effect=call)

    for function, argument in (("mkdir", 0), ("fsync", 0), ("replace", 1), ("link", 1), ("unlink", 0)):
        note(function, argument)
    return done


def test_the_folder_is_flushed_after_the_rename(tmp_path: Path, calls: list[str]) -> None:
    write(tmp_path / "a", "1")
    assert [call for call in calls if call != "unlink temporary"] == [
        "fsync temporary",
        "replace a",
        f"fsync {tmp_path.name}",
    ]


def test_a_new_file_is_flushed_before_it_has_its_name(tmp_path: Path, calls: list[str]) -> None:
    create(tmp_path / "a", "1")
    assert calls == ["fsync temporary", "link a", "unlink temporary", f"fsync {tmp_path.name}"]


def test_a_new_folder_is_flushed_into_the_one_above(tmp_path: Path, calls: list[str]) -> None:
    write(tmp_path / "b/c/a", "1")
    assert calls[:4] == ["mkdir b", f"fsync {tmp_path.name}", "mkdir c", "fsync b"]


def test_a_rename_flushes_both_folders(tmp_path: Path, calls: list[str]) -> None:
    write(tmp_path / "b/a", "1")
    calls.clear()
    rename(tmp_path / "b/a", tmp_path / "d")
    assert (calls[0], sorted(calls[1:])) == ("replace d", sorted(["fsync b", f"fsync {tmp_path.name}"]))
    assert (tmp_path / "d").read_text() == "1"


def test_a_deletion_is_flushed(tmp_path: Path, calls: list[str]) -> None:
    (tmp_path / "a").touch()
    remove(tmp_path / "a")
    assert calls == ["unlink a", f"fsync {tmp_path.name}"]
    assert list(tmp_path.iterdir()) == []


FAILING = ("open", "fchown", "fchmod", "fsync", "replace")


@pytest.mark.parametrize("function", FAILING)
def test_a_failure_leaves_the_old_file_and_one_line(tmp_path: Path, mocker: MockerFixture, function: str) -> None:
    write(tmp_path / "a", "old")
    mocker.patch.object(os, function, side_effect=OSError(errno.EIO, os.strerror(errno.EIO)))
    with pytest.raises(UserError) as failure:
        write(tmp_path / "a", "new", group_id=os.getgid())
    assert str(failure.value) == f"{tmp_path}/a: cannot be written: Input/output error"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A file cannot grow beyond 10 bytes: the kernel itself fails the write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("small_disk")
def test_what_does_not_fit_leaves_the_old_file(tmp_path: Path) -> None:
    render({"a": "old"}, tmp_path)
    with pytest.raises(UserError, match=r"/a: cannot be written: File too large$"):
        render({"a": "new and too long"}, tmp_path)
    with pytest.raises(UserError, match=r"/b: cannot be written: File too large$"):
        create(tmp_path / "b", "new and too long")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


steps = st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 4)), max_size=8)


@settings(deadline=None, max_examples=25)
@given(steps)
def test_a_file_is_whole_whatever_fails(steps: list[tuple[bytes, int]]) -> None:
    """Each step writes a content, and the call of that number fails, if there are so many."""
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        file, expected = Path(directory, "a"), b""
        file.touch()
        for content, number in steps:
            left = iter(range(number))
            for function in ("fchmod", "fsync", "replace"):
                patch.setattr(os, function, failing_after(left, getattr(os, function)))
            try:
                write(file, content)
            except UserError:
                assert file.read_bytes() in (expected, content)
            else:
                assert file.read_bytes() == content
            expected = file.read_bytes()
            patch.undo()
            assert [path.name for path in Path(directory).iterdir()] == ["a"]


def failing_after(left: Iterator[int], function: Callable[..., object]) -> Callable[..., object]:
    """The function, until what is left of the calls is used up."""

    def call(*arguments: object) -> object:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*arguments)

    return call


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda path: write(path / "file/a", "1"), "file/a: cannot be written: Not a directory"),
        (lambda path: render({"a": "1"}, path / "file"), "file/a: cannot be written: Not a directory"),
        (lambda path: write(path / "a", path / "missing"), "missing: cannot be read: No such file or directory"),
        (lambda path: rename(path / "missing", path / "a"), "missing: cannot be renamed: No such file or directory"),
        (lambda path: remove(path / "missing"), "missing: cannot be deleted: No such file or directory"),
    ],
)
def test_a_failure_is_one_line(tmp_path: Path, act: Callable[[Path], object], line: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as failure:
        act(tmp_path)
    assert str(failure.value) == f"{tmp_path}/{line}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
