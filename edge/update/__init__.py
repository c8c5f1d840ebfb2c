"""Updates of the agent itself: verified, installed beside what runs, tried, and taken back by themselves.

| file | is |
|---|---|
| `prefix` | `<prefix>/releases/<version>/`, `current`, `trial/`, `failed/`: which release runs, tried or for good |
| `boot.sh` | `<prefix>/boot`: starts the current release; one on trial that starts in vain gives way |
| `staging` | a verified manifest, and its wheels by their hash: from the twin in parts, or out of a file |
| `install` | a release folder made of wheels, without network, and a look whether it starts |
| `agent` | the section `software` of the desired state: fetch, install, switch, stand the trial |
| `cli` | `aid4 edge update FILE`: the same by hand, without network |
"""
