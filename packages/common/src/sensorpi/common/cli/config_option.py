"""The option `--config DIR`."""

import argparse
from pathlib import Path

from sensorpi.common.cluster.model import config_directory


def add_config_option(command: argparse.ArgumentParser) -> None:
    """The option that every command which reads the configuration has."""
    command.add_argument(
        "--config",
        type=Path,
        default=config_directory(),
        metavar="DIR",
        help="where cluster.toml and cluster.key are (default: $SENSORPI_CONFIG, else /etc/sensorpi)",
    )
