"""What an agent tells others beside the twin: its points as a Sparkplug edge node, and Home Assistant's discovery.

| file | owns |
|---|---|
| `config` | the tables `[publish.sparkplug]` and `[publish.homeassistant]` |
| `outlet` | what the agent lends a publisher: points, new rows, a way to write |
| `sparkplug` | the session of an edge node: births, data, death, the primary host, commands |
| `sparkplug_metrics` | points and rows as Sparkplug metrics |
| `store` | rows on disk for a host that is away |
| `homeassistant`, `homeassistant_entities` | retained configurations and states |

Publishing is at most once and beside the way to the twin: nothing here can hold up or lose a reading on that way.
"""
