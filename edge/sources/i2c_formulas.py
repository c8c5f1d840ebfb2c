"""What a table cannot say: sensors whose raw values mean something only with the calibration burnt into them."""

import struct
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["FORMULAS", "bme280"]

Formula = Callable[[bytes, bytes], Mapping[str, float | None]]
_SKIPPED_20, _SKIPPED_16 = 0x80000, 0x8000  # what the chip says for a quantity that it did not measure


def bme280(calibration: bytes, data: bytes) -> dict[str, float | None]:
    """°C, hPa and % of a Bosch BME280 or BMP280, by the floating point formulas of its data sheet (§8.1).

    `calibration` is 26 bytes from 0x88 and 7 from 0xE1, `data` 8 bytes from 0xF7.
    """
    t1, t2, t3, p1, *p = struct.unpack_from("<HhhH8h", calibration)
    pressure, temperature = (int.from_bytes(data[at : at + 3], "big") >> 4 for at in (0, 3))
    if temperature == _SKIPPED_20:
        return {}
    x1 = (temperature / 16_384 - t1 / 1_024) * t2
    fine = x1 + (temperature / 131_072 - t1 / 8_192) ** 2 * t3
    told: dict[str, float | None] = {"temperature": fine / 5_120}
    if pressure != _SKIPPED_20 and (pa := _pascal(pressure, fine, p1, p)) is not None:
        told["pressure"] = pa / 100
    humidity = int.from_bytes(data[6:8], "big")
    if humidity != _SKIPPED_16:
        told["humidity"] = _percent(humidity, fine, calibration[25:])
    return told


def _pascal(raw: int, fine: float, p1: int, p: list[int]) -> float | None:
    p2, p3, p4, p5, p6, p7, p8, p9 = p
    x1 = fine / 2 - 64_000
    x2 = (x1 * x1 * p6 / 32_768 + x1 * p5 * 2) / 4 + p4 * 65_536
    x1 = (1 + (p3 * x1 * x1 / 524_288 + p2 * x1) / 524_288 / 32_768) * p1
    if x1 == 0:
        return None
    pa = (1_048_576 - raw - x2 / 4_096) * 6_250 / x1
    return pa + (p9 * pa * pa / 2_147_483_648 + pa * p8 / 32_768 + p7) / 16


def _percent(raw: int, fine: float, calibration: bytes) -> float:
    h1, h2, h3, e4, e5, e6, h6 = struct.unpack_from("<BhBbBbb", calibration)
    h4, h5 = e4 * 16 | e5 & 0x0F, e6 * 16 | e5 >> 4
    x = fine - 76_800
    x = (raw - (h4 * 64 + h5 / 16_384 * x)) * (h2 / 65_536 * (1 + h6 / 67_108_864 * x * (1 + h3 / 67_108_864 * x)))
    return float(min(max(x * (1 - h1 * x / 524_288), 0.0), 100.0))


FORMULAS: Final[Mapping[str, Formula]] = {"bme280": bme280}
