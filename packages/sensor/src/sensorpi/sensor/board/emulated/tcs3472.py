"""The TCS3472's registers: clear, red, green and blue counts of an integration time.

Source: ams TCS3472 datasheet, command register and register description; gain is 1×.
"""

from sensorpi.sensor.board.emulated.surroundings import Surroundings

ADDRESS = 0x29
COMMAND, REGISTER_MASK = 0x80, 0x1F
ENABLE, ATIME, ID, STATUS, DATA = 0x00, 0x01, 0x12, 0x13, 0x14
POWER_AND_RGBC = 0x03
CYCLE_S = 0.0024
#: Cycles of the library's integration time; the environment's counts are what this many collect.
REFERENCE_CYCLES = 213
SATURATED = 0xFFFF


class TCS3472:
    """Off after power-on. The first integration still runs with the time that was set when it began."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._registers = bytearray(32)
        self._enabled_s = self._retimed_s = 0.0
        self.power_on()

    def power_on(self) -> None:
        """Off, with one cycle of integration time."""
        self._registers = bytearray(32)
        self._registers[ATIME] = 0xFF
        self._registers[ID] = 0x44

    @property
    def _on(self) -> bool:
        return self._registers[ENABLE] & POWER_AND_RGBC == POWER_AND_RGBC

    def _cycles_integrated(self) -> int:
        """How many cycles the newest finished integration had; 0 when there is none."""
        now_s = self._surroundings.now_s
        cycles = 256 - self._registers[ATIME]
        if not self._on or now_s < self._enabled_s + 2 * CYCLE_S:  # one to wake up, one to integrate
            return 0
        if now_s < self._retimed_s + cycles * CYCLE_S:
            return 1
        return cycles

    def read(self, register: int) -> int:
        """The byte at a command code."""
        return self.read_block(register, 1)[0]

    def read_block(self, register: int, length: int) -> list[int]:
        """Bytes from a command code on; without the command bit nothing is addressed."""
        if not register & COMMAND:
            return [0] * length
        first = register & REGISTER_MASK
        if first >= STATUS:
            self._measure()
        return [self._registers[(first + offset) & REGISTER_MASK] for offset in range(length)]

    def _measure(self) -> None:
        cycles = self._cycles_integrated()
        felt = self._surroundings.conditions
        most = min(SATURATED, 1024 * cycles)
        self._registers[STATUS] = 0x11 if cycles else 0
        for channel, counts in enumerate((felt.clear, felt.red, felt.green, felt.blue)):
            value = min(max(round(counts * cycles / REFERENCE_CYCLES), 0), most)
            self._registers[DATA + 2 * channel : DATA + 2 * channel + 2] = value.to_bytes(2, "little")

    def write(self, register: int, value: int) -> None:
        """ENABLE and ATIME have effects here."""
        if not register & COMMAND:
            return
        place = register & REGISTER_MASK
        if place == ENABLE and not self._on:
            self._enabled_s = self._retimed_s = self._surroundings.now_s
        if place == ATIME:
            self._retimed_s = self._surroundings.now_s
        if place < ID:
            self._registers[place] = value
