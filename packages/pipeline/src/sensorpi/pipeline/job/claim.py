"""The job's newest start: each start of the job writes a claim into the metadata of the offsets that it commits."""

import json
import logging
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from sensorpi.common.daemon import untrusted
from sensorpi.common.daemon.untrusted import NOT_AS_EXPECTED
from sensorpi.common.files import render

#: Kafka's limit for the metadata of an offset, which anybody who may commit can write.
_MOST_CHARACTERS = 4096
#: More than a job can start in its life. A greater one was not made by a job, and is ignored.
MOST_EPOCHS = 2**40

_log = logging.getLogger(__name__)


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
        """A new start, newer than ``previous``, unless that has the last epoch, which only a forged one has."""
        epoch = 1 if previous is None or previous.epoch >= MOST_EPOCHS else previous.epoch + 1
        return cls(epoch, secrets.token_hex(8), node, checkpoint)

    def to_metadata(self, beat: int = 0) -> str:
        """A committed offset's metadata; ``beat`` is another number at each commit. Kafka's limit is 4096 bytes."""
        return json.dumps(asdict(self) | {"beat": beat}, separators=(",", ":"))

    @classmethod
    def from_metadata(cls, text: str | None) -> "Claim | None":
        """The claim in a committed offset's metadata; None when another program committed it."""
        try:
            return cls._parse(text or "")
        except AbsurdEpoch as error:
            _log.warning("A committed offset of the job is ignored: %s.", error)
        except NOT_AS_EXPECTED:
            pass
        return None

    @classmethod
    def _parse(cls, text: str) -> "Claim":
        """Raises one of ``NOT_AS_EXPECTED`` for a text that is not a claim's."""
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"it has more than {_MOST_CHARACTERS} characters")
        values = untrusted.parse_json(text)
        values.pop("beat")
        claim = cls(**values)
        types = {"epoch": int, "run": str, "node": str, "checkpoint": str}
        if not all(type(getattr(claim, name)) is kind for name, kind in types.items()):
            raise TypeError("it has values of the wrong type")
        if not 0 < claim.epoch <= MOST_EPOCHS:
            raise AbsurdEpoch(f"its epoch is {claim.epoch}, not between 1 and {MOST_EPOCHS}")
        return claim


class AbsurdEpoch(ValueError):
    """No job has started so often."""


class Superseded(Exception):
    """A newer job is running."""

    def __init__(self, newer: Claim) -> None:
        super().__init__(f"the job was started on {newer.node}")
        self.newer = newer


def load_claim(file: Path) -> Claim | None:
    """The last claim that was saved here; None at the first start, and if it is damaged, which is logged."""
    return untrusted.load(file, Claim._parse)


def save_claim(file: Path, claim: Claim) -> None:
    """Save it for the next start. Raises UserError when it cannot be written."""
    render({file.name: claim.to_metadata()}, file.parent)
