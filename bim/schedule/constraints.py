"""Constraints and link types by the codes of each tool, as tables."""

__all__ = [
    "CONSTRAINTS",
    "LINK_TYPES",
    "MSP_CONSTRAINTS",
    "MSP_LINKS",
    "P6_CONSTRAINTS",
    "P6_LINKS",
    "PMXML_CONSTRAINTS",
]

LINK_TYPES = ("FS", "SS", "FF", "SF")

# name: what it does to the passes
CONSTRAINTS: dict[str, str] = {
    "start_no_earlier": "bounds the early start",
    "finish_no_earlier": "bounds the early finish",
    "start_no_later": "bounds the late start",
    "finish_no_later": "bounds the late finish",
    "start_on": "bounds early and late start",
    "finish_on": "bounds early and late finish",
    "mandatory_start": "sets the start, links or not",
    "mandatory_finish": "sets the finish, links or not",
    "as_late_as_possible": "uses up its free float; early and late dates stay",
}

P6_LINKS = {"PR_FS": "FS", "PR_SS": "SS", "PR_FF": "FF", "PR_SF": "SF"}
P6_CONSTRAINTS = {
    "CS_MSOA": "start_no_earlier", "CS_MSOB": "start_no_later", "CS_MSO": "start_on",
    "CS_MEOA": "finish_no_earlier", "CS_MEOB": "finish_no_later", "CS_MEO": "finish_on",
    "CS_MANDSTART": "mandatory_start", "CS_MANDFIN": "mandatory_finish", "CS_ALAP": "as_late_as_possible",
}  # fmt: skip
PMXML_CONSTRAINTS = {
    "Start On or After": "start_no_earlier", "Start On or Before": "start_no_later", "Start On": "start_on",
    "Finish On or After": "finish_no_earlier", "Finish On or Before": "finish_no_later", "Finish On": "finish_on",
    "Mandatory Start": "mandatory_start", "Mandatory Finish": "mandatory_finish",
    "As Late As Possible": "as_late_as_possible",
}  # fmt: skip
MSP_LINKS = {"0": "FF", "1": "FS", "2": "SF", "3": "SS"}
MSP_CONSTRAINTS = {
    "0": "", "1": "as_late_as_possible", "2": "mandatory_start", "3": "mandatory_finish", "4": "start_no_earlier",
    "5": "start_no_later", "6": "finish_no_earlier", "7": "finish_no_later",
}  # fmt: skip
