"""Reports of a day: operations, alarms, energy and CO₂, construction; as a page, a PDF or JSON, in three languages.

`document.py` is what a report is; `kinds/` build one each; `html.py` and `pdf.py` draw it; `desk.py` makes, keeps,
schedules and mails them.
"""
