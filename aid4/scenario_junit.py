"""A scenario's result as JUnit XML: a suite a file, a test case a fault, and one for the whole run."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

__all__ = ["junit"]


def junit(found: Mapping[str, Any]) -> bytes:
    """The document; `found` is what `aid4 sim scenario run --json` prints."""
    suites: dict[str, list[ET.Element]] = {}
    for row in found["faults"]:
        place = row["device"] + (f"/{row['metric']}" if row["metric"] else "")
        case = _case(row["file"], f"{row['what']} {place}", row["wrong"])
        case.set("time", f"{row['delay_s'] or 0.0:.1f}")  # seconds of the simulated park until its alarm
        suites.setdefault(row["file"], []).append(case)
    delivery = found["delivery"]
    whole = {
        "false alarms": [] if found["false_alarms"] <= found["false_alarms_max"] else found["others"],
        "no flood": [f"{found['alarms_10min_max']} alarms in ten minutes"] if found["flood"] else [],
        "nothing lost": [f"{delivery['lost']} lost, {delivery['duplicated']} doubled"] if _leaks(delivery) else [],
    }
    suites["run"] = [_case("run", name, wrong) for name, wrong in whole.items()]
    root = ET.Element("testsuites", name="aid4 sim scenario run")
    for name, cases in suites.items():
        failed = sum(case.find("failure") is not None for case in cases)
        suite = ET.SubElement(root, "testsuite", name=name, tests=str(len(cases)), failures=str(failed), errors="0")
        suite.extend(cases)
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _case(suite: str, name: str, wrong: list[str]) -> ET.Element:
    case = ET.Element("testcase", classname=suite, name=name)
    if wrong:
        ET.SubElement(case, "failure", message="; ".join(wrong)).text = "\n".join(wrong)
    return case


def _leaks(delivery: Mapping[str, Any]) -> bool:
    return bool(delivery["lost"] or delivery["duplicated"])
