"""Entry point of `make run`."""

import logging
import os
import sys

from onebox import options, query, run
from onebox.display import LogToScreen, say
from sensorpi.common import service
from sensorpi.common.errors import UserError


def main() -> int:
    """Run the pipeline, or answer a query. Exit status 2 for a user's mistake, said in one line."""
    service.set_up_logging(logging.WARNING)
    logging.getLogger().handlers = [LogToScreen()]
    try:
        chosen = options.parse(sys.argv[1:])
        if chosen.query is not None:
            return query.answer(chosen.query, chosen.json)
        return run.run(chosen)
    except UserError as error:
        say(f"make run: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a query's answer, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
