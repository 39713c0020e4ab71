"""Which start of the job is the newest one: each writes itself into the metadata of the offsets that it commits."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from sensorpi.common.files import render


@dataclass(frozen=True, order=True)
class Claim:
    """One start of the job. Of two claims the greater one is the newer, and the job of the other has to end."""

    #: One more than that of the start before it; no clock is asked, because a Pi's may be wrong.
    epoch: int
    #: Tells two starts apart that both followed the same one.
    run: str
    #: The node's name.
    node: str
    #: Names the checkpoint that it goes on with: equal for two starts only if it is the same one.
    checkpoint: str

    @classmethod
    def after(cls, previous: "Claim | None", node: str, checkpoint: str) -> "Claim":
        """A new start, newer than ``previous``."""
        return cls(1 if previous is None else previous.epoch + 1, secrets.token_hex(8), node, checkpoint)

    def to_metadata(self, beat: int = 0) -> str:
        """What goes with a committed offset; ``beat`` differs from commit to commit. Kafka takes 4096 bytes."""
        return json.dumps(asdict(self) | {"beat": beat}, separators=(",", ":"))

    @classmethod
    def from_metadata(cls, text: str | None) -> "Claim | None":
        """The claim in a committed offset's metadata; None when another program committed it."""
        try:
            values = json.loads(text or "")
            values.pop("beat")
            claim = cls(**values)
        except (ValueError, TypeError, AttributeError, KeyError):
            return None
        types = {"epoch": int, "run": str, "node": str, "checkpoint": str}
        return claim if all(type(getattr(claim, name)) is kind for name, kind in types.items()) else None


class Superseded(Exception):
    """The job of this claim was started after ours, and runs."""

    def __init__(self, newer: Claim) -> None:
        super().__init__(f"the job was started on {newer.node}")
        self.newer = newer


def load_claim(file: Path) -> Claim | None:
    """The last claim that was made with this state; None at the first start."""
    try:
        return Claim.from_metadata(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def save_claim(file: Path, claim: Claim) -> None:
    """Remember it for the next start. Raises UserError when it cannot be written."""
    render({file.name: claim.to_metadata()}, file.parent)
