"""Every bound of the wire, in one place, each with its reason. Units stand last in the name."""

MIB = 1 << 20

# Records
RECORD_BYTES_MAX = 990_000  # NATS refuses 1,048,576 and paho then reconnects for ever; header and topic included
RECORD_RAW_BYTES_MAX = 8 * MIB  # body after decompression: 16.7 KB of zstd can claim 512 MiB
RECORD_ROWS_MAX = 65_536  # row numbers and packed offsets stay in 16 bits
TEXT_BYTES_MAX = 16_384  # one text value of a state; longer ones are cut at the source and flagged
CATALOGUE_POINTS_MAX = 200_000  # one node; a campus of 10,000 points has twenty-fold room

# Control messages
MESSAGE_BYTES_MAX = 262_144  # hello of a node with hundreds of undrained epochs is about 40 KB
HELLO_EPOCHS_MAX = 1_024  # an agent that crash-loops for a day at one start a minute stays below
ACK_RANGES_MAX = 4_096  # more holes than that: the lowest are sent, the rest follow after they close

# Names
NAME_CHARS_MAX = 64  # topic levels stay short and every broker's limits far away

# Delivery
WINDOW_BYTES = 16 * MIB  # unacknowledged bytes of one node: 100 ms at 160 MB/s
WINDOWS_BYTES_TOTAL = 32 * MIB  # all nodes of one twin: NATS drops a consumer with 64 MiB pending
PROGRESS_TIMEOUT_S = 1.5  # without a new committed seq for so long, what is in flight counts as lost
PROBE_BACKOFF_S_MAX = 30.0  # a metered link is not flooded while the twin is down
ACK_IDLE_PERIOD_S = 1.0  # committed ranges are repeated when nothing arrives, since acks may be lost
HEALTH_PERIOD_S = 10.0  # an operator notices a gateway's trouble within ten seconds

# Time
READING_WAIT_S_MAX = 0.1  # default bound of a reading's wait in the batcher
TIME_AHEAD_S_MAX = 86_400  # a reading stamped later than a day from now is flagged
CLOCK_TRUSTED_FROM_US = 1_704_067_200_000_000  # 2024-01-01: a gateway clock before that was never set
TIMESTAMP_US_MIN = -(2**62)  # room for arithmetic without overflow
TIMESTAMP_US_MAX = 2**62
