"""A piece of fab equipment as a process of its own, for the library's threads never end: its GEM equipment handler.

First line in: what it is (`name`, `port`, `metrics`). Each further line is a dict of values by metric. Lines out say
what a host wrote or commanded. Status variables from VARIABLE on, equipment constants from CONSTANT, collection
events from EVENT, alarms from ALARM, in the order of the metrics.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import secsgem.common
import secsgem.gem
import secsgem.hsms
import secsgem.secs

from sim_devices.servers.secsgem_ids import ALARM, COMMANDS, CONSTANT, EVENT, VARIABLE


def tell(**fields: Any) -> None:
    """One line to the park."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


class Equipment(secsgem.gem.GemEquipmentHandler):  # type: ignore[misc]
    """The equipment: its model is filled from the metrics of a device table."""

    def __init__(self, what: Mapping[str, Any]) -> None:
        settings = secsgem.hsms.HsmsSettings(
            address="127.0.0.1", port=what["port"], connect_mode=secsgem.hsms.HsmsConnectMode.PASSIVE,
            device_type=secsgem.common.DeviceType.EQUIPMENT, establish_communication_timeout=2, t3=5.0,
        )  # fmt: skip
        super().__init__(settings)
        self._mdln, self._softrev = "AID4-" + what["name"][:14], "1.0"
        self._shown: dict[str, Any] = {}
        self._metrics: list[dict[str, Any]] = what["metrics"]
        for number, metric in enumerate(self._metrics):
            self._declare(number, metric)
        for word in COMMANDS:
            command = secsgem.gem.RemoteCommand(word, word.title(), [], EVENT + 900)
            self.remote_commands[word] = command
            setattr(self.callbacks, f"rcmd_{word}", lambda word=word: tell(command=word))
        self.collection_events[EVENT + 900] = secsgem.gem.CollectionEvent(EVENT + 900, "command_done", [])

    def _declare(self, number: int, metric: dict[str, Any]) -> None:
        variables, name = secsgem.secs.variables, metric["name"]
        if metric["writable"]:
            constant = secsgem.gem.EquipmentConstant(
                CONSTANT + number, name, metric["low"], metric["high"], 0.0, metric["unit"], variables.F8
            )
            self.equipment_constants[CONSTANT + number] = constant
        elif metric["alarm"]:
            on, off = EVENT + 300 + number, EVENT + 600 + number
            for ceid, word in ((on, "set"), (off, "cleared")):
                self.collection_events[ceid] = secsgem.gem.CollectionEvent(ceid, f"{name}_{word}", [])
            self.alarms[ALARM + number] = secsgem.gem.Alarm(ALARM + number, name, name.replace("_", " "), 6, on, off)
        else:
            kind = variables.String if metric["kind"] == "state" else variables.F8
            variable = secsgem.gem.StatusVariable(VARIABLE + number, name, metric["unit"], kind)
            variable.value = "" if metric["kind"] == "state" else 0.0
            self.status_variables[VARIABLE + number] = variable
            if metric["kind"] == "state":
                event = secsgem.gem.CollectionEvent(EVENT + number, f"{name}_changed", [])
                self.collection_events[EVENT + number] = event

    def on_ec_value_update(self, equipment_constant_id: Any, equipment_constant: Any, value: Any) -> None:
        """A host wrote a constant."""
        equipment_constant.value = value
        tell(written=equipment_constant.name, value=float(value))

    def show(self, values: Mapping[str, Any]) -> None:
        """Take new values; states and alarms that changed are told to the host by themselves."""
        for number, metric in enumerate(self._metrics):
            value, before = values.get(metric["name"]), self._shown.get(metric["name"])
            if value is None:
                continue
            self._shown[metric["name"]] = value
            if metric["writable"]:
                self.equipment_constants[CONSTANT + number].value = float(value)
            elif metric["alarm"]:
                if bool(value) != bool(before):
                    (self.set_alarm if value else self.clear_alarm)(ALARM + number)
            elif metric["kind"] == "state":
                self.status_variables[VARIABLE + number].value = str(value)
                if value != before and before is not None:
                    self.trigger_collection_events([EVENT + number])
            else:
                self.status_variables[VARIABLE + number].value = float(value)


def main() -> None:
    """Serve until the park has no more to say."""
    logging.disable(logging.CRITICAL)
    equipment = Equipment(json.loads(sys.stdin.readline()))
    equipment.enable()
    tell(listening=True)
    for line in sys.stdin:
        equipment.show(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
