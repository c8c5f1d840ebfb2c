"""Schedules (4D): every planning tool's file in one set of Arrow tables, the network behind it, and what the plan
says about tasks and elements at any moment.

file → reader (`xer`, `pmxml`, `mspdi`, `csv_tasks`, `ifc_schedule`) → `Draft` of rows → `build` → `Schedule` of tables
→ `network` (early and late dates, float, critical path), `progress` (state at t, S-curve, late tasks) and, with
links from `element_links` or `link_rules`, `element_plan` (state of each element at t).

Times are the site's wall clock, as planning tools write them: they carry no zone, and who asks converts.
"""
