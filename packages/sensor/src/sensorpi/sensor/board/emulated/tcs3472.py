"""The TCS3472's registers: clear, red, green and blue counts of an integration time.

Source: ams TCS3472 datasheet, command register and register description. The gain is 1×.
"""

from sensorpi.sensor.board.emulated.surroundings import Surroundings

ADDRESS = 0x29
COMMAND, REGISTER_MASK = 0x80, 0x1F
ENABLE, ATIME, ID, STATUS, DATA = 0x00, 0x01, 0x12, 0x13, 0x14
POWER_AND_RGBC = 0x03
CYCLE_S = 0.0024
#: Cycles of the library's integration time, to which the environment's counts refer.
REFERENCE_CYCLES = 213
SATURATED = 0xFFFF


class TCS3472:
    """Off after power-on. The first integration uses the integration time that was set when it began."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._registers = bytearray(32)
        self._enabled_s = self._retimed_s = 0.0
        self.power_on()

    def power_on(self) -> None:
        """Set the registers as after power-on: off, with an integration time of one cycle."""
        self._registers = bytearray(32)
        self._registers[ATIME] = 0xFF
        self._registers[ID] = 0x44

    @property
    def _on(self) -> bool:
        return self._registers[ENABLE] & POWER_AND_RGBC == POWER_AND_RGBC

    def _cycles_integrated(self) -> int:
        """How many cycles the last finished integration had; 0 if there is none."""
        now_s = self._surroundings.now_s
        cycles = 256 - self._registers[ATIME]
        if not self._on or now_s < self._enabled_s + 2 * CYCLE_S:  # one to wake up, one to integrate
            return 0
        if now_s < self._retimed_s + cycles * CYCLE_S:
            return 1
        return cycles

    def read(self, register: int) -> int:
        """The byte of a register, which a command code addresses."""
        return self.read_block(register, 1)[0]

    def read_block(self, register: int, length: int) -> list[int]:
        """The bytes of several registers; without the command bit no register is addressed."""
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
        """Write a register. Only ENABLE and ATIME have an effect."""
        if not register & COMMAND:
            return
        place = register & REGISTER_MASK
        if place == ENABLE and not self._on:
            self._enabled_s = self._retimed_s = self._surroundings.now_s
        if place == ATIME:
            self._retimed_s = self._surroundings.now_s
        if place < ID:
            self._registers[place] = value
