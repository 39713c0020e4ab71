"""Entry point of `make run`."""

import json
import logging
import sys

from onebox import options, query, run
from onebox.display import LogToScreen, say
from sensorpi.common.cli.output import run_and_flush
from sensorpi.common.daemon import service
from sensorpi.common.errors import UserError


def main() -> int:
    """Run the pipeline, or answer a query. A user's mistake is one line and exit status 2."""
    service.set_up_logging(logging.WARNING)
    logging.getLogger().handlers = [LogToScreen()]
    return run_and_flush(_run, "make run")


def _run() -> int:
    try:
        chosen = options.parse(sys.argv[1:])
        if chosen.query is not None:
            return query.answer(chosen.query, chosen.json)
        return run.run(chosen)
    except UserError as error:
        say(f"make run: {error}")
        if "--json" in sys.argv:
            print(json.dumps({"error": str(error)}))
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
