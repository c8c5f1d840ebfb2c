"""How good the detectors are, on labelled recordings, with thresholds fixed beforehand.

| file | measures |
|---|---|
| `sets` | reads the folders of recordings: what is learned from, what is labelled |
| `nab` | the corpus score of the Numenta Anomaly Benchmark, three profiles |
| `ranking` | area under precision-recall, plain (AUC-PR) and range-aware (VUS-PR) |
| `episodes` | points (F1, FAR, MAR), events with delay, false-alarm episodes against the budget |
| `report` | runs the detectors over a folder and puts it all together |
"""
