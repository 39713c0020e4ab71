"""The answers of a Mesos master other than «accepted», each with what to do about it."""


class MesosError(Exception):
    """A call did not reach a leading master, or was not accepted; its text is one line."""


class NotSubscribedError(MesosError):
    """There is no subscription now: wait for the next SUBSCRIBED event, then decide again."""


class UnreachableError(MesosError):
    """The master does not answer, or with 5xx: the call may or may not have arrived. Reconcile, then decide again."""


class NotLeaderError(MesosError):
    """The master is not the leader (307); the client leaves it and subscribes to the leader."""

    def __init__(self, address: str, location: str) -> None:
        """``location`` is where it redirects to, protocol-relative."""
        super().__init__(f"Mesos master {address} is not the leader and redirects to {location or 'nowhere'}")
        self.location = location


class WrongStreamError(MesosError):
    """The call was for a subscription that is over; the client subscribes again."""


class InvalidCallError(MesosError):
    """The master does not understand the call (400): the same call will never work."""


class RefusedError(MesosError):
    """The master requires credentials, or other ones (401, 403)."""


class FrameworkFailedOverError(MesosError):
    """Another instance has taken over this framework: stop, do not subscribe again."""


class FrameworkRemovedError(MesosError):
    """The master has removed this framework for good: only a new id can subscribe."""


#: Parts of the master's messages with status 400 that blame the subscription, not the call.
_WRONG_STREAM = ("didn't match the stream ID", "should include the 'Mesos-Stream-Id' header")


def error_of(address: str, status: int, text: str, location: str = "") -> MesosError:
    """The error that belongs to an answer of the master at ``address`` other than 200 and 202."""
    if status == 307:
        return NotLeaderError(address, location)
    message = f"Mesos master {address} answers {status}: {' '.join(text.split()) or '(no text)'}"
    if status == 400 and any(each in text for each in _WRONG_STREAM):
        return WrongStreamError(message)
    if status in (401, 403):
        return RefusedError(f"{message}; check the framework's credentials and the master's --acls")
    return UnreachableError(message) if status >= 500 else InvalidCallError(message)
