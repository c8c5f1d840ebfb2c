"""Signed bundles of models and their way to gateways: nothing runs that was not packed by whom we trust.

| file | is |
|---|---|
| `onnx_check` | what an ONNX file may hold: no weights elsewhere, no foreign operators, no functions |
| `package` | `*.aid4model`: several ONNX files behind one signed header |
| `repository` | TUF metadata as it is written: root and targets offline, snapshot and timestamp at the twin |
| `client` | TUF as a gateway checks it, over any transport; `models.json` says what runs |
| `promotion` | shadow → canary → live, and when to go back: pure |
| `cli` | `aid4 model keys`, `pack`, `publish`, `rollback`, `status` |
"""
