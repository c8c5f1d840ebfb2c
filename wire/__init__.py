"""The ground floor: what passes between an edge agent and the twin.

| file | owns |
|---|---|
| `limits` | every bound of the wire, named, with its reason |
| `errors` | the tree of errors |
| `clock`, `names`, `topics`, `quality` | time, legal names, MQTT topics, quality flags of a reading |
| `schemas`, `catalogue` | Arrow schemas by id and version; which point id is which point |
| `records`, `codecs` | the unit of delivery: header and body, byte for byte |
| `ranges`, `messages` | committed ranges; hello, ack, health, command, status |
| `units`, `point_classes` | UCUM units, the vocabulary of points with their allowed units |
| `mqtt` | the link to a broker |
"""
