"""What people are told of alarms, in the language of their route: one line an alarm, the most urgent first, and what to
do. Pure; times are those of the site's clock.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from twin.alarms.class_words import Spoken
from twin.alarms.states import PRIORITIES, Alarm
from twin.reports.words import LANGUAGES, Words

__all__ = ["Reader", "alarm_texts", "back_texts", "by_urgency", "dead_texts"]

_SHOWN_MAX: Final = 50  # alarms of one message
_Texts = tuple[str, str, str]  # English, Slovak, Traditional Chinese

_PRIORITY: Final[dict[str, _Texts]] = {
    "critical": ("CRITICAL", "KRITICKÝ", "緊急"),
    "high": ("HIGH", "VYSOKÝ", "高"),
    "medium": ("MEDIUM", "STREDNÝ", "中"),
    "low": ("LOW", "NÍZKY", "低"),
}
_KIND: Final[dict[str, _Texts]] = {  # {v} the value, {l} the limit
    "high_high": ("very high{v}{l}", "veľmi vysoko{v}{l}", "極高{v}{l}"),
    "high": ("high{v}{l}", "vysoko{v}{l}", "過高{v}{l}"),
    "low": ("low{v}{l}", "nízko{v}{l}", "過低{v}{l}"),
    "low_low": ("very low{v}{l}", "veľmi nízko{v}{l}", "極低{v}{l}"),
    "alike_high": ("high at{v} devices", "vysoko, počet zariadení:{v}", "{v} 台裝置過高"),
    "alike_low": ("low at{v} devices", "nízko, počet zariadení:{v}", "{v} 台裝置過低"),
    "bad": ("value not usable", "hodnota nepoužiteľná", "數值不可用"),
    "stale": ("silent for too long", "mlčí pridlho", "過久無資料"),
    "state": ("state{v}", "stav{v}", "狀態{v}"),
    "offline": ("gateway offline", "brána offline", "閘道離線"),
    "silent": ("says nothing", "nehlási sa", "無任何資料"),
    "partly": ("several points say nothing", "viaceré body sa nehlásia", "多個點位無資料"),
    "clock": ("clock wrong by{v} s", "hodiny sa líšia o{v} s", "時鐘誤差{v} 秒"),
    "certificate": ("certificate not renewed", "certifikát neobnovený", "憑證未續期"),
    "twice": ("two gateways with one name", "dve brány s jedným menom", "兩台閘道同名"),
    "config": ("configuration did not hold:{v}", "konfigurácia neobstála:{v}", "設定未成功：{v}"),
    "software": ("software did not hold:{v}", "softvér neobstál:{v}", "軟體未成功：{v}"),
    "gap": ("data lost:{v} readings", "stratené údaje:{v} meraní", "資料遺失{v} 筆"),
    "late": ("behind the plan by{v} d", "za plánom o{v} d", "進度落後{v} 天"),
    "anomaly": ("unusual", "neobvyklé", "異常"),
    "scan_late": (
        "a scan says: not built though due",
        "sken hovorí: nepostavené, hoci malo byť",
        "掃描顯示：應建而未建",
    ),
    "scan_early": ("a scan says: built before its time", "sken hovorí: postavené predčasne", "掃描顯示：提前建成"),
}
_LIMIT: Final[_Texts] = (" (limit {0})", " (medza {0})", "（限值 {0}）")
_SINCE: Final[_Texts] = ("since {0}", "od {0}", "自 {0}")
_MORE: Final[_Texts] = ("and {0} more", "a ešte {0}", "另有 {0} 則")
_SEVERAL: Final[_Texts] = ("{0} alarms, first {1}", "počet alarmov {0}, prvý {1}", "{0} 則警報，首則 {1}")
_TO_DO: Final[_Texts] = ("What to do: {0}", "Čo robiť: {0}", "處置：{0}")
_DEAD: Final[_Texts] = (
    "THE TWIN IS SILENT, no alarm will ring", "DVOJČA MLČÍ, nezazvoní žiadny alarm", "數位分身無回應，警報將不會響起",
)  # fmt: skip
_DEAD_TEXT: Final[_Texts] = (
    (
        "{url} has not answered for {seconds} s: {problem}.\n"
        "Nobody watches the park's alarms until it runs again. What the gateways measure waits on their disks.\n\n"
        "What to do: look at the machine of the twin: its power, its disk, and the last lines of its log."
    ),
    (
        "{url} neodpovedá {seconds} s: {problem}.\n"
        "Kým znova nepobeží, alarmy areálu nikto nestráži. Čo brány namerajú, čaká na ich diskoch.\n\n"
        "Čo robiť: pozrite stroj dvojčaťa: napájanie, disk a posledné riadky jeho záznamu."
    ),
    (
        "{url} 已 {seconds} 秒無回應：{problem}。\n"
        "在其恢復運轉前，無人監看園區警報。閘道器量得的資料暫存於各自磁碟。\n\n"
        "處置：檢查數位分身主機的電源、磁碟，以及其記錄的最後幾行。"
    ),
)
_BACK: Final[_Texts] = ("the twin answers again", "dvojča znova odpovedá", "數位分身已恢復回應")
_BACK_TEXT: Final[_Texts] = ("{0} answers again.", "{0} znova odpovedá.", "{0} 已恢復回應。")


class Reader(NamedTuple):
    """Who reads: language and time zone, and what classes' English texts mean in that language."""

    language: Spoken
    zone: str
    meanings: Mapping[str, str]

    def __call__(self, texts: _Texts, *values: Any, **named: Any) -> str:
        """A text of the table in this language, its places filled."""
        return texts[LANGUAGES.index(self.language)].format(*values, **named)


def alarm_texts(site: str, alarms: list[Alarm], reader: Reader, key_of: Callable[[int], str]) -> tuple[str, str]:
    """Title and text of a message about some alarms, in the order given."""
    lines = [_line(alarm, reader, key_of) for alarm in alarms[:_SHOWN_MAX]]
    title = f"{site}: {lines[0] if len(alarms) == 1 else reader(_SEVERAL, len(alarms), lines[0])}"
    if len(alarms) > _SHOWN_MAX:
        lines.append(reader(_MORE, len(alarms) - _SHOWN_MAX))
    action = alarms[0].definition.action
    if action:
        lines += ["", reader(_TO_DO, reader.meanings.get(action, action))]
    return title[:200], "\n".join(lines)


def dead_texts(site: str, language: Spoken, *, url: str, after_s: float, problem: str) -> tuple[str, str]:
    """Title and text when the twin does not answer."""
    reader = Reader(language, "UTC", {})
    return f"{site}: {reader(_DEAD)}", reader(_DEAD_TEXT, url=url, seconds=f"{after_s:g}", problem=problem)


def back_texts(site: str, language: Spoken, *, url: str) -> tuple[str, str]:
    """Title and text when it does again."""
    reader = Reader(language, "UTC", {})
    return f"{site}: {reader(_BACK)}", reader(_BACK_TEXT, url)


def by_urgency(alarms: list[Alarm]) -> list[Alarm]:
    """The most urgent first, of these the oldest."""
    return sorted(alarms, key=lambda one: (PRIORITIES.index(one.definition.priority), one.raised_us or 0))


def _line(alarm: Alarm, reader: Reader, key_of: Callable[[int], str]) -> str:
    what = alarm.definition
    subject = key_of(what.point) if what.point is not None else what.text or what.group
    value = "" if alarm.value is None else f" {alarm.value:g}" if isinstance(alarm.value, float) else f" {alarm.value}"
    limit = "" if what.limit is None else reader(_LIMIT, what.limit)
    finding = reader(_KIND[what.kind], v=value, l=limit) if what.kind in _KIND else what.kind.replace("_", " ")
    since = Words(reader.language, reader.zone).moment(alarm.raised_us)
    return f"{reader(_PRIORITY[what.priority])} {subject} {finding} {reader(_SINCE, since)}"
