"""The commented configuration that `aid4 edge init` writes."""

__all__ = ["SAMPLE"]

SAMPLE = """\
# An AID4 edge agent. Check this file with `aid4 edge check FILE`, run it with `aid4 edge run FILE`.
site = "campus"                        # a-z, 0-9, _ and -; the twin's name for the place
node = "gateway-1"                     # this gateway; two live agents must not share a name

[broker]
url = "mqtt://127.0.0.1:1883"          # mqtts:// for TLS
# user = "gateway-1"
# password_file = "broker.password"    # one line, readable by this user only

[spool]
dir = "spool"                          # a disk that survives a power cut, not /tmp
# budget_bytes = 2147483648            # what it may hold while the link is down
# when_full = "refuse"                 # or "thin": give up the oldest bulk readings; events are always kept
# group_bulk_s = 1.0                   # on an SD card: fewer, larger writes

# [models]
# root_file = "root.json"              # whom to trust for anomaly detectors; from `aid4 model keys`

# [publish.sparkplug]                  # be a Sparkplug edge node, or tell Home Assistant: see edge/publish/config.py
# url = "mqtt://127.0.0.1:1883"

# [page]                               # live values and what is wrong, on this gateway itself
# port = 8480

# [scoring]                            # detectors on this gateway; needs aid4[inference] for trained models only
# budget_per_day = 0.02                # false-alarm episodes that a stream may have in a day

[flush.bulk]
age_s = 0.1                            # no reading waits longer before it is on the disk

[[source]]
kind = "mqtt"
name = "sensors"
url = "mqtt://127.0.0.1:1883"
topic = [{ pattern = "sensors/{device}/#", payload = "generic" }]   # any JSON: every number becomes a point
"""
