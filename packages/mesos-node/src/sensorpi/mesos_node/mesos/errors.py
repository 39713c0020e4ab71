"""What a Mesos master answers other than «accepted», each with what to do about it."""


class MesosError(Exception):
    """A call did not reach a leading master, or was not accepted; its text is one line."""


class NotSubscribedError(MesosError):
    """There is no subscription at this moment: wait for the next SUBSCRIBED event, then decide anew."""


class UnreachableError(MesosError):
    """The master does not answer, or with 5xx: the call may or may not have arrived. Reconcile, then decide anew."""


class NotLeadingError(MesosError):
    """The master does not lead (307); the client leaves it and subscribes to the one that does."""

    def __init__(self, address: str, location: str) -> None:
        """``location`` is where it sends us, protocol-relative."""
        super().__init__(f"Mesos master {address} does not lead and sends us to {location or 'nobody'}")
        self.location = location


class WrongStreamError(MesosError):
    """The call was for a subscription that is over; the client subscribes again."""


class InvalidCallError(MesosError):
    """The master does not understand the call (400): the same call will never work."""


class RefusedError(MesosError):
    """The master wants credentials, or others (401, 403)."""


class FrameworkFailedOverError(MesosError):
    """Another instance has taken over this framework: step back, do not subscribe again."""


class FrameworkRemovedError(MesosError):
    """The master has removed this framework for good: only a new id can subscribe."""


#: How the master's texts of status 400 begin or go on where our subscription is at fault, not the call.
_WRONG_STREAM = ("didn't match the stream ID", "should include the 'Mesos-Stream-Id' header")


def error_of(address: str, status: int, text: str, location: str = "") -> MesosError:
    """The error that belongs to an answer of the master at ``address`` other than 200 and 202."""
    if status == 307:
        return NotLeadingError(address, location)
    said = f"Mesos master {address} answers {status}: {' '.join(text.split()) or 'without a word'}"
    if status == 400 and any(each in text for each in _WRONG_STREAM):
        return WrongStreamError(said)
    if status in (401, 403):
        return RefusedError(f"{said}; look at the framework's credentials and the master's --acls")
    return UnreachableError(said) if status >= 500 else InvalidCallError(said)
