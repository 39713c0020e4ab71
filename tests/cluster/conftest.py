"""The cluster that the tests share, one for each engine, and the table of what it took to recover."""

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.engines import ENGINES, STANDALONE, Engine
from tests.cluster.fault import Fault, Recovery, Report
from tests.cluster.first_start import FirstStart, start_all
from tests.cluster.site import Site, installed

NewFault = Callable[[str], Fault]

_recoveries = pytest.StashKey[list[Recovery]]()
_site = pytest.StashKey[Site]()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """What runs brokers and job."""
    chosen: Engine = request.param
    return chosen


@pytest.fixture(scope="session")
def cold_site(engine: Engine, pytestconfig: pytest.Config) -> Iterator[Site]:
    """Six nodes that are installed and have never been started."""
    with installed(engine) as site:
        pytestconfig.stash[_site] = site
        yield site
        del pytestconfig.stash[_site]


@pytest.fixture(scope="session")
def first_start(cold_site: Site) -> FirstStart:
    """The start of all six nodes at once, up to the first point in InfluxDB."""
    return start_all(cold_site)


@pytest.fixture(scope="session")
def site(cold_site: Site, first_start: FirstStart) -> Site:
    """The running cluster."""
    return cold_site


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[object], None]:
    """Prints a line at once, whatever pytest captures."""

    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")
    assert reporter is not None
    assert capture is not None

    def write(line: object) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(str(line))

    return write


@pytest.fixture
def report(say: Callable[[object], None], pytestconfig: pytest.Config) -> Report:
    """Prints a recovery when it is known, and again in the table at the end."""

    def keep(recovery: Recovery) -> None:
        pytestconfig.stash.setdefault(_recoveries, []).append(recovery)
        say(recovery)

    return keep


@pytest.fixture
def new_fault(site: Site, report: Report) -> NewFault:
    """Makes a fault by what befalls the cluster."""
    return lambda behaviour: Fault(site, behaviour, report)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of what only Mesos has run on no other engine."""
    others = [item for item in items if item.get_closest_marker("engine_mesos") and _engine_of(item) == STANDALONE]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def _engine_of(item: pytest.Item) -> object:
    return item.callspec.params.get("engine") if isinstance(item, pytest.Function) else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure is shown with the journals that explain it."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    site = item.config.stash.get(_site, None)
    if report.failed and site is not None:
        report.sections.append(("journals", site.journals()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table."""
    recoveries = config.stash.get(_recoveries, [])
    if not recoveries:
        return
    terminalreporter.section("time to recover, in seconds")
    width = max(len(recovery.behaviour) for recovery in recoveries)
    terminalreporter.write_line(f"{'engine':<12}{'fault':<{width}} lasted  first reading  all as before")
    for each in recoveries:
        lasted = f"{each.lasted_s:.1f}" if each.lasted_s else "-"
        reading = "-" if each.reading_s is None else f"{each.reading_s:.1f}"
        terminalreporter.write_line(
            f"{each.engine:<12}{each.behaviour:<{width}}{lasted:>7}{reading:>15}{each.whole_s:>15.1f}"
        )
