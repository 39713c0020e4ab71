"""The ADS1015's two registers. Nothing is connected to its inputs."""

ADDRESS = 0x49
CONVERSION, CONFIG = 0x00, 0x01


class ADS1015:
    """Registers have two bytes, the high one first. Every channel reads 0 V."""

    def __init__(self) -> None:
        self._config = bytearray(2)
        self.power_on()

    def power_on(self) -> None:
        """Set the configuration to the datasheet's defaults."""
        self._config = bytearray((0x85, 0x83))

    def read(self, register: int) -> int:
        """The high byte of a register."""
        return self.read_block(register, 1)[0]

    def read_block(self, register: int, length: int) -> list[int]:
        """A register's two bytes, repeated."""
        data = self._config if register == CONFIG else bytes(2)
        return [data[offset % 2] for offset in range(length)]

    def write(self, register: int, value: int) -> None:
        """A block write to the configuration arrives as single bytes; the start bit is cleared at once."""
        if register in (CONFIG, CONFIG + 1):
            self._config[register - CONFIG] = value
