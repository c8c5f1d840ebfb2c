"""Alarms after ISA-18.2: what is abnormal, who has seen it, and what must not ring.

conditions (`watch` over readings, `service` over nodes, the plan and whoever reports) → `book` (one `Alarm` a
condition, its state, its journal in the database) → `routes` (e-mail, webhook) and the page. `states` is the pure
state machine, `rules` says which points have which alarms, `figures` are those of EEMUA 191.
"""
