"""The job's newest start: each start of the job writes a claim into the metadata of the offsets that it commits."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from sensorpi.common.files import render


@dataclass(frozen=True, order=True)
class Claim:
    """One start of the job. The greater of two claims is the newer one, and the other claim's job has to stop."""

    #: One more than the previous start's. A clock is not used, because a Pi's may be wrong.
    epoch: int
    #: Distinguishes two starts that followed the same one.
    run: str
    #: The node's name.
    node: str
    #: Identifies the checkpoint: two starts have the same value only if they use the same checkpoint.
    checkpoint: str

    @classmethod
    def after(cls, previous: "Claim | None", node: str, checkpoint: str) -> "Claim":
        """A new start, newer than ``previous``."""
        return cls(1 if previous is None else previous.epoch + 1, secrets.token_hex(8), node, checkpoint)

    def to_metadata(self, beat: int = 0) -> str:
        """A committed offset's metadata; ``beat`` is another number at each commit. Kafka's limit is 4096 bytes."""
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
    """A newer job is running."""

    def __init__(self, newer: Claim) -> None:
        super().__init__(f"the job was started on {newer.node}")
        self.newer = newer


def load_claim(file: Path) -> Claim | None:
    """The last claim that was saved here; None at the first start."""
    try:
        return Claim.from_metadata(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def save_claim(file: Path, claim: Claim) -> None:
    """Save it for the next start. Raises UserError when it cannot be written."""
    render({file.name: claim.to_metadata()}, file.parent)
