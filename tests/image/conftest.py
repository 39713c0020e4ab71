"""Uncompressed images for the tests, of a cluster with one worker, which two machines can run."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from images.base import CACHE
from images.build import build
from images.epoch import source_date_epoch
from images.order import order
from tests.image.card import Card

# SIGTERM must not leave machines behind.
signal.signal(signal.SIGTERM, signal.default_int_handler)

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "dist/repo"
FOLDER = CACHE / "test"

CLUSTER = """\
[nodes.shed]
address = "10.0.0.99"
roles = ["sensor"]
[nodes.broker]
address = "10.0.0.21"
roles = ["mesos-worker"]
[nodes.shelf]
address = "10.0.0.11"
roles = ["influx-grafana"]
[nodes.master02]
address = "10.0.0.12"
roles = ["mesos-master"]
[spark]
checkpoint = "nfs"
"""
NODES = {"sensor": "shed", "mesos-worker": "broker", "mesos-master": "master02", "influx-grafana": "shelf"}

#: Takes a role, and optionally suite and architecture.
Image = Callable[..., Path]
NewCard = Callable[..., Card]


@pytest.fixture(scope="session")
def image() -> Image:
    """A function that builds the image of a role, once in a session."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    cluster = FOLDER / "cluster.toml"
    cluster.write_text(CLUSTER)
    key = FOLDER / "cluster.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o640)
    built: dict[str, Path] = {}

    def make(role: str, suite: str = "bookworm", architecture: str = "arm64") -> Path:
        asked = order(
            {"ROLE": role, "NODE": NODES[role], "CLUSTER": str(cluster), "SUITE": suite, "ARCH": architecture}
        )
        if asked.name not in built:
            built[asked.name] = build(asked, REPOSITORY, FOLDER, source_date_epoch())
        return built[asked.name]

    return make


@pytest.fixture(scope="module")
def new_card(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewCard]:
    """A function that flashes cards. They are deleted at the end."""
    folder = tmp_path_factory.mktemp("cards")

    def flash(role: str, *kind: str) -> Card:
        return Card.flashed(image(role, *kind), folder / f"{'-'.join((role, *kind))}.img")

    yield flash
    shutil.rmtree(folder)
