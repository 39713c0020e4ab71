"""Checks which of the board's chips answer, and reports what is wrong."""

import errno
import os
from pathlib import Path
from typing import Any

from sensorpi.sensor.board.library import Board

#: The bus on the 40-pin header, which the board needs.
BUS_NUMBER = 1

#: The addresses of an EnviroPhat's chips. That of the analogue inputs depends on the board's voltage.
CHIPS = {
    "BMP280 (temperature, pressure)": (0x77,),
    "TCS3472 (light)": (0x29,),
    "LSM303D (motion, heading)": (0x1D,),
    "ADS1015 (analogue inputs)": (0x49, 0x48),
}
#: If a light sensor LTR-559 and a BME280 answer here, the board is an Enviro or Enviro+.
ENVIRO = (0x23, 0x76)


def i2c_trouble(devices: Path = Path("/dev")) -> str | None:
    """Why the bus cannot be opened, and what to do; None when it can."""
    device = devices / f"i2c-{BUS_NUMBER}"
    if not device.exists():
        return (
            f"I²C is off: there is no {device}. Switch it on with `sudo raspi-config nonint do_i2c 0`, or, if there is "
            "no raspi-config, with dtparam=i2c_arm=on in config.txt and `sudo modprobe i2c-dev`"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return f"no permission for {device}: use sudo, or run `sudo adduser $USER i2c` and log in again"
    return None


def answers(bus: Any, address: int) -> bool:
    """Whether a chip acknowledges at an address. Raises OSError for a fault of the bus itself."""
    try:
        bus.read_byte_data(address, 0x00)
    except OSError as error:
        if error.errno in (errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT):
            return False
        raise
    return True


def probe(bus: Any) -> tuple[list[str], bool]:
    """A line for each chip and one about what is wrong, and whether all chips that are needed answer.

    The chip of the analogue inputs is not needed, because no reading has them.
    """
    lines, is_complete = [], True
    found = {name: [address for address in addresses if answers(bus, address)] for name, addresses in CHIPS.items()}
    for name, addresses in found.items():
        place = f"0x{(addresses or CHIPS[name])[0]:02x}"
        lines.append(f"{place}  {name}: {'answers' if addresses else 'no answer'}")
        is_complete = is_complete and (bool(addresses) or name.startswith("ADS1015"))
    if not is_complete and all(answers(bus, address) for address in ENVIRO):
        lines.append("0x23 and 0x76 answer: this is an Enviro, another board, which the envirophat library cannot read")
    elif not any(found.values()):
        lines.append("no chip answers: is the board seated on the header, and was the power off when it was put on?")
    elif not is_complete:
        lines.append("a chip does not answer: check the soldering of the header, then the board")
    return lines, is_complete


def probe_board(board: Board) -> tuple[list[str], bool]:
    """The same for a board, whose bus is opened as the library does it. Raises BoardMissingError."""
    bus = board.smbus_module().SMBus(BUS_NUMBER)
    try:
        return probe(bus)
    finally:
        bus.close()
