"""Consequence and action of our own alarm classes in Slovak and Traditional Chinese; a site gives its classes' own."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

__all__ = ["OWN_WORDS", "ClassWords", "Spoken"]

Spoken = Literal["en", "sk", "zh-TW"]
_Text = Annotated[str, Meta(max_length=500)]


class ClassWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class in another language."""

    consequence: _Text = ""
    action: _Text = ""


OWN_WORDS: Final[dict[str, tuple[ClassWords, ClassWords]]] = {  # class -> Slovak, Traditional Chinese
    "limit": (
        ClassWords("Proces opúšťa rozsah, na ktorý je určený.", "Zistite prečo a vráťte ho späť."),
        ClassWords("製程超出設計範圍。", "查明原因並使其恢復。"),
    ),
    "extreme": (
        ClassWords("Hrozí škoda na zariadení alebo na ľuďoch.", "Konajte ihneď; ak treba, zariadenie zastavte."),
        ClassWords("設備或人員可能受害。", "立即處置；必要時停機。"),
    ),
    "instrument": (
        ClassWords("Hodnote sa nedá veriť.", "Skontrolujte snímač a jeho zapojenie."),
        ClassWords("數值不可信。", "檢查感測器及其配線。"),
    ),
    "communication": (
        ClassWords("Hodnota je stará: čo sa deje, sa nevie.", "Skontrolujte zariadenie, napájanie a sieť."),
        ClassWords("數值已過時，實際狀況不明。", "檢查裝置、電源與網路。"),
    ),
    "machine": (
        ClassWords("Stroj sa sám zastavil.", "Prečítajte hlásenie stroja, opravte a spustite."),
        ClassWords("機台已自行停止。", "查看機台訊息，排除後重新啟動。"),
    ),
    "gateway": (
        ClassWords(
            "Všetky hodnoty za bránou sú staré; čo prijala, čaká na jej disku.",
            "Skontrolujte jej napájanie a spojenie.",
        ),
        ClassWords("其後所有數值皆過時；已接收者暫存於其磁碟。", "檢查其電源與連線。"),
    ),
    "clock": (
        ClassWords(
            "Jej merania majú nesprávny čas: nevie sa, čo bolo prv.",
            "Skontrolujte jej časový server; pozri aid4 edge doctor.",
        ),
        ClassWords("其讀數時間錯誤：無法判定先後。", "檢查其時間伺服器；見 aid4 edge doctor。"),
    ),
    "certificate": (
        ClassWords(
            "Keď skončí, brána sa odpojí; čo nameria, čaká na jej disku.",
            "Pozrite na nej aid4 edge doctor: dosiahne dvojča? Inak ju prijmite znova.",
        ),
        ClassWords(
            "到期後閘道器將斷線；量得的資料暫存於其磁碟。", "於該機查看 aid4 edge doctor：能否連上分身？否則重新納入。"
        ),
    ),
    "data": (
        ClassWords("Merania z toho času sú navždy stratené.", "Pozrite disk brány a nastavenie jej zásobníka."),
        ClassWords("該時段讀數已永久遺失。", "檢查閘道器磁碟與暫存設定。"),
    ),
    "rollout": (
        ClassWords(
            "Čo sa nasadzovalo, nebeží; brány pokračujú s tým, čo mali.",
            "Prečítajte prečo: aid4 fleet status. Opravte a nasaďte znova, alebo potvrďte, že to tak ostane.",
        ),
        ClassWords(
            "部署的內容並未執行；閘道器沿用原有版本。",
            "查看原因：aid4 fleet status。修正後重新部署，或確認維持現狀。",
        ),
    ),
    "schedule": (
        ClassWords("Práce po nej začnú neskoro.", "Opýtajte sa majstra; nahláste skutočné termíny alebo zmeňte plán."),
        ClassWords("後續工作將延後開始。", "詢問工地主任；回報實際日期或變更計畫。"),
    ),
    "anomaly": (
        ClassWords(
            "Niečo sa správa inak ako doteraz; môže to byť začiatok poruchy.",
            "Pozrite kanály a pravdepodobnú príčinu; povedzte, či to stálo za pohľad.",
        ),
        ClassWords("行為異於以往，可能是故障的開端。", "查看通道與可能原因，並回報是否值得查看。"),
    ),
    "scan_late": (
        ClassWords(
            "Čo malo byť hotové, nestojí: práce po tom začnú neskoro.",
            "Pozrite dôkaz aj miesto; nahláste skutočné termíny alebo zmeňte plán.",
        ),
        ClassWords("應完成者尚未建成：後續工作將延後。", "查看證據與現場；回報實際日期或變更計畫。"),
    ),
    "scan_early": (
        ClassWords(
            "Postavené mimo poradia: čo zakrýva, možno nebolo skontrolované.",
            "Skontrolujte, čo skrýva a či bolo povolené; nahláste skutočné termíny.",
        ),
        ClassWords("未依順序建成：被遮蔽部分可能未經檢查。", "檢查被遮蔽部分及是否獲准；回報實際日期。"),
    ),
}
