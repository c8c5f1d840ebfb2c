"""What alarms mean to people: consequence, action, and how soon. A site's alarms.toml replaces ours by name."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from twin.alarms.class_words import ClassWords

__all__ = ["OWN_CLASSES", "AlarmClass"]

_Text = Annotated[str, Meta(max_length=500)]


class AlarmClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an alarm means: its consequence, what to do, and within how many minutes; also in other languages."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,64}$")]
    priority: Literal["critical", "high", "medium", "low"] = "medium"
    consequence: _Text = ""
    action: _Text = ""
    respond_min: Annotated[float, Meta(gt=0, le=10_080)] | None = None
    sk: ClassWords = ClassWords()
    zh_tw: ClassWords = msgspec.field(default=ClassWords(), name="zh-TW")


OWN_CLASSES = (
    AlarmClass(
        "limit", "medium", "The process leaves the range it was made for.", "Find out why and bring it back.", 30
    ),
    AlarmClass(
        "extreme", "high", "Equipment or people may come to harm.", "Act at once; stop the equipment if need be.", 5
    ),
    AlarmClass("instrument", "low", "The value cannot be trusted.", "Check the sensor and its wiring.", 480),
    AlarmClass(
        "communication",
        "low",
        "The value is old: what it hides is not known.",
        "Check the device, its power and its network.",
        240,
    ),
    AlarmClass(
        "machine",
        "high",
        "The machine has stopped itself.",
        "Read the machine's own message, mend, and restart.",
        15,
    ),
    AlarmClass(
        "gateway",
        "high",
        "All values behind it are old; what is accepted there waits on its disk.",
        "Check its power and its link.",
        30,
    ),
    AlarmClass(
        "clock",
        "medium",
        "Its readings carry wrong times: what happened first cannot be told.",
        "Check its time server; see aid4 edge doctor.",
        240,
    ),
    AlarmClass(
        "certificate",
        "medium",
        "When it ends, the gateway is cut off; what it measures waits on its disk.",
        "See aid4 edge doctor there: does it reach the twin? Else enrol it anew.",
        1_440,
    ),
    AlarmClass(
        "data",
        "medium",
        "Readings of that time are lost for good.",
        "See the gateway's disk and its spool settings.",
        480,
    ),
    AlarmClass(
        "rollout",
        "medium",
        "What was rolled out does not run; the gateways go on with what they had.",
        "Read why: aid4 fleet status. Mend it and roll it out anew, or acknowledge that it stays so.",
        1_440,
    ),
    AlarmClass(
        "schedule",
        "low",
        "Work after it will start late.",
        "Ask the foreman; report actual dates or change the plan.",
        1_440,
    ),
    AlarmClass(
        "anomaly",
        "low",
        "Something behaves as it did not before; it may be the beginning of a failure.",
        "Look at the channels and the probable cause; say whether it was worth the look.",
        480,
    ),
    AlarmClass(
        "scan_late",
        "medium",
        "What was to be finished does not stand: work after it will start late.",
        "Look at the evidence and at the place; report actual dates, or change the plan.",
        1_440,
    ),
    AlarmClass(
        "scan_early",
        "low",
        "It was built out of order: what it covers may not have been checked.",
        "Check what it hides and whether it had leave; report actual dates.",
        2_880,
    ),
)
