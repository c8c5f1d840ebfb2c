"""From a score to a probable cause: rules over what belongs together in the building.

| file | holds |
|---|---|
| `rules.toml` | causes, their signs and how likely each is; read this to add one |
| `roles.toml` | which words make a point a "supply temperature", and an asset an "air handler" |
| `texts/` | titles, actions and sentences, one file a language |
| `graph.py` | points, assets and how they feed each other |
| `weigh.py`, `diagnose.py` | how well each cause explains what is seen, and the ranking |

`diagnose(symptoms, graph)` is pure; a graph may be empty, then devices are taken from the keys of the points.
"""

from inference.diagnosis.diagnose import Cause, diagnose
from inference.diagnosis.graph import Edge, Graph, Node
from inference.diagnosis.texts import Evidence
from inference.diagnosis.weigh import Symptom

__all__ = ["Cause", "Edge", "Evidence", "Graph", "Node", "Symptom", "diagnose"]
