"""The files that a card is made from."""

from pathlib import Path

from images.filesystems import make_sparse


def test_only_the_owner_reads_a_cards_file(tmp_path: Path) -> None:
    file = tmp_path / "a.img"
    file.write_text("from a build before")
    file.chmod(0o644)
    make_sparse(file, 5_000_000)
    assert file.stat().st_size == 5_000_000
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_blocks == 0
