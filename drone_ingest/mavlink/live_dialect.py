"""The messages of a live link in our own words, so that an agent in the field needs no pymavlink.

A row is NAME id field:type*length=unit …, in the order of MAVLink's definition, extension fields behind a bar. The
order on the wire and the checksum seed follow from it by MAVLink's own rules; a test compares each with pymavlink.
"""

from collections.abc import Iterator
from typing import NamedTuple

from fastcrc import crc16

__all__ = ["Definition", "definitions"]

_MESSAGES = """
HEARTBEAT 0 type:u1 autopilot:u1 base_mode:u1 custom_mode:u4 system_status:u1 mavlink_version:u1
SYS_STATUS 1 onboard_control_sensors_present:u4 onboard_control_sensors_enabled:u4 onboard_control_sensors_health:u4
  load:u2=d% voltage_battery:u2=mV current_battery:i2=cA battery_remaining:i1=% drop_rate_comm:u2=c% errors_comm:u2
  errors_count1:u2 errors_count2:u2 errors_count3:u2 errors_count4:u2 | onboard_control_sensors_present_extended:u4
  onboard_control_sensors_enabled_extended:u4 onboard_control_sensors_health_extended:u4
SYSTEM_TIME 2 time_unix_usec:u8=us time_boot_ms:u4=ms
PING 4 time_usec:u8=us seq:u4 target_system:u1 target_component:u1
SET_MODE 11 target_system:u1 base_mode:u1 custom_mode:u4
PARAM_REQUEST_READ 20 target_system:u1 target_component:u1 param_id:c*16 param_index:i2
PARAM_REQUEST_LIST 21 target_system:u1 target_component:u1
PARAM_VALUE 22 param_id:c*16 param_value:f4 param_type:u1 param_count:u2 param_index:u2
GPS_RAW_INT 24 time_usec:u8=us fix_type:u1 lat:i4=degE7 lon:i4=degE7 alt:i4=mm eph:u2 epv:u2 vel:u2=cm/s cog:u2=cdeg
  satellites_visible:u1 | alt_ellipsoid:i4=mm h_acc:u4=mm v_acc:u4=mm vel_acc:u4=mm/s hdg_acc:u4=degE5 yaw:u2=cdeg
SCALED_PRESSURE 29 time_boot_ms:u4=ms press_abs:f4=hPa press_diff:f4=hPa temperature:i2=cdegC |
  temperature_press_diff:i2=cdegC
ATTITUDE 30 time_boot_ms:u4=ms roll:f4=rad pitch:f4=rad yaw:f4=rad rollspeed:f4=rad/s pitchspeed:f4=rad/s
  yawspeed:f4=rad/s
GLOBAL_POSITION_INT 33 time_boot_ms:u4=ms lat:i4=degE7 lon:i4=degE7 alt:i4=mm relative_alt:i4=mm vx:i2=cm/s vy:i2=cm/s
  vz:i2=cm/s hdg:u2=cdeg
MISSION_ITEM 39 target_system:u1 target_component:u1 seq:u2 frame:u1 command:u2 current:u1 autocontinue:u1 param1:f4
  param2:f4 param3:f4 param4:f4 x:f4 y:f4 z:f4 | mission_type:u1
MISSION_REQUEST 40 target_system:u1 target_component:u1 seq:u2 | mission_type:u1
MISSION_SET_CURRENT 41 target_system:u1 target_component:u1 seq:u2
MISSION_CURRENT 42 seq:u2 | total:u2 mission_state:u1 mission_mode:u1
MISSION_REQUEST_LIST 43 target_system:u1 target_component:u1 | mission_type:u1
MISSION_COUNT 44 target_system:u1 target_component:u1 count:u2 | mission_type:u1
MISSION_CLEAR_ALL 45 target_system:u1 target_component:u1 | mission_type:u1
MISSION_ITEM_REACHED 46 seq:u2
MISSION_ACK 47 target_system:u1 target_component:u1 type:u1 | mission_type:u1
MISSION_REQUEST_INT 51 target_system:u1 target_component:u1 seq:u2 | mission_type:u1
REQUEST_DATA_STREAM 66 target_system:u1 target_component:u1 req_stream_id:u1 req_message_rate:u2=Hz start_stop:u1
MISSION_ITEM_INT 73 target_system:u1 target_component:u1 seq:u2 frame:u1 command:u2 current:u1 autocontinue:u1
  param1:f4 param2:f4 param3:f4 param4:f4 x:i4 y:i4 z:f4 | mission_type:u1
VFR_HUD 74 airspeed:f4=m/s groundspeed:f4=m/s heading:i2=deg throttle:u2=% alt:f4=m climb:f4=m/s
COMMAND_INT 75 target_system:u1 target_component:u1 frame:u1 command:u2 current:u1 autocontinue:u1 param1:f4 param2:f4
  param3:f4 param4:f4 x:i4 y:i4 z:f4
COMMAND_LONG 76 target_system:u1 target_component:u1 command:u2 confirmation:u1 param1:f4 param2:f4 param3:f4
  param4:f4 param5:f4 param6:f4 param7:f4
COMMAND_ACK 77 command:u2 result:u1 | progress:u1 result_param2:i4 target_system:u1 target_component:u1
RADIO_STATUS 109 rssi:u1 remrssi:u1 txbuf:u1=% noise:u1 remnoise:u1 rxerrors:u2 fixed:u2
TIMESYNC 111 tc1:i8=ns ts1:i8=ns
BATTERY_STATUS 147 id:u1 battery_function:u1 type:u1 temperature:i2=cdegC voltages:u2*10=mV current_battery:i2=cA
  current_consumed:i4=mAh energy_consumed:i4=hJ battery_remaining:i1=% | time_remaining:i4=s charge_state:u1
  voltages_ext:u2*4=mV mode:u1 fault_bitmask:u4
AUTOPILOT_VERSION 148 capabilities:u8 flight_sw_version:u4 middleware_sw_version:u4 os_sw_version:u4 board_version:u4
  flight_custom_version:u1*8 middleware_custom_version:u1*8 os_custom_version:u1*8 vendor_id:u2 product_id:u2 uid:u8 |
  uid2:u1*18
FENCE_STATUS 162 breach_status:u1 breach_count:u2 breach_type:u1 breach_time:u4=ms | breach_mitigation:u1
WIND 168 direction:f4=deg speed:f4=m/s speed_z:f4=m/s
VIBRATION 241 time_usec:u8=us vibration_x:f4 vibration_y:f4 vibration_z:f4 clipping_0:u4 clipping_1:u4 clipping_2:u4
HOME_POSITION 242 latitude:i4=degE7 longitude:i4=degE7 altitude:i4=mm x:f4=m y:f4=m z:f4=m q:f4*4 approach_x:f4=m
  approach_y:f4=m approach_z:f4=m | time_usec:u8=us
EXTENDED_SYS_STATE 245 vtol_state:u1 landed_state:u1
STATUSTEXT 253 severity:u1 text:c*50 | id:u2 chunk_seq:u1
"""

_NAMES = {
    "i1": "int8_t", "u1": "uint8_t", "i2": "int16_t", "u2": "uint16_t", "i4": "int32_t", "u4": "uint32_t",
    "i8": "int64_t", "u8": "uint64_t", "f4": "float", "f8": "double", "c": "char",
}  # fmt: skip


class Definition(NamedTuple):
    """One message: fields as (name, type, array length or 0, unit); the last `extensions` of them are extensions."""

    id: int
    name: str
    fields: tuple[tuple[str, str, int, str], ...]
    extensions: int

    def wire_order(self) -> list[str]:
        """Names as they lie on the wire: larger types first, extensions behind in their own order."""
        base = self.fields[: len(self.fields) - self.extensions]
        ordered = sorted(base, key=lambda field: -_bytes(field[1]))
        return [field[0] for field in (*ordered, *self.fields[len(base) :])]

    def crc_extra(self) -> int:
        """The seed that makes a checksum fail when two ends know different definitions."""
        known = {field[0]: field for field in self.fields}
        text = f"{self.name} ".encode()
        for name in self.wire_order()[: len(self.fields) - self.extensions]:
            _, kind, length, _ = known[name]
            text += f"{_NAMES[kind]} {name} ".encode() + (bytes([length]) if length else b"")
        crc: int = crc16.mcrf4xx(text)
        return crc & 0xFF ^ crc >> 8


def definitions() -> Iterator[Definition]:
    """Every message of the table."""
    for row in _MESSAGES.strip().replace("\n  ", " ").splitlines():
        name, number, *words = row.split()
        bar = words.index("|") if "|" in words else len(words)
        fields = tuple(_field(word) for word in words if word != "|")
        yield Definition(int(number), name, fields, len(fields) - bar)


def _bytes(kind: str) -> int:
    return 1 if kind == "c" else int(kind[1])


def _field(word: str) -> tuple[str, str, int, str]:
    name, _, rest = word.partition(":")
    rest, _, unit = rest.partition("=")
    kind, _, length = rest.partition("*")
    return name, kind, int(length or 0), unit
