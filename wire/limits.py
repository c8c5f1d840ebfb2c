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
FILE_PART_BYTES = 131_072  # of a model on its way to a gateway: base64 of it is 175 KB, below MESSAGE_BYTES_MAX
CONFIG_BYTES_MAX = (
    65_536  # of a layer from afar; 400 Modbus sources written out are 60 KB, in JSON below MESSAGE_BYTES_MAX
)
LOG_PART_BYTES = 65_536  # of one answer: a quarter of a second on a link of 2 Mbit/s
TRIAL_S_MAX = 86_400.0  # a configuration that is watched for longer than a day is in service
HELLO_EPOCHS_MAX = 1_024  # an agent that crash-loops for a day at one start a minute stays below
HELLO_ABSENT_MAX = 256  # of one epoch; when there are more, the rest follow once these are committed
ACK_RANGES_MAX = 4_096  # more holes than that: the lowest are sent, the rest follow after they close

# Names
NAME_CHARS_MAX = 64  # topic levels stay short and every broker's limits far away

# Delivery
WINDOW_BYTES = 24 * MIB  # unacknowledged bytes of one node: what two large commits take
WINDOWS_BYTES_TOTAL = 48 * MIB  # all nodes of one twin: NATS drops a consumer with 64 MiB pending
PROGRESS_TIMEOUT_S = 1.5  # without a new committed seq for so long, what is in flight counts as lost
PROBE_BACKOFF_S_MAX = 30.0  # a metered link is not flooded while the twin is down
ACK_IDLE_PERIOD_S = 1.0  # committed ranges are repeated when nothing arrives, since acks may be lost
HEALTH_PERIOD_S = 10.0  # an operator notices a gateway's trouble within ten seconds

# Time
READING_WAIT_S_MAX = 0.1  # default bound of a reading's wait in the batcher
TIME_AHEAD_S_MAX = 86_400  # a reading stamped later than a day from now is flagged
CLOCK_TRUSTED_FROM_US = 1_704_067_200_000_000  # 2024-01-01: a gateway clock before that was never set
TIMESTAMP_US_MIN = -2_208_988_800_000_000  # 1900-01-01: what lies outside is moved to the bound and flagged
TIMESTAMP_US_MAX = 7_258_118_400_000_000  # 2200-01-01: nanoseconds still fit 64 bits

# Link to a broker
PACKET_BYTES_MAX = 1_048_576  # what NATS passes by default; a broker that sends more is not ours
TOPIC_BYTES_MAX = 1_024  # four levels of ours need 300; foreign devices nest deeper
FILTERS_MAX = 1_000  # one SUBSCRIBE packet
LINK_BUFFER_BYTES = 4 * MIB  # written but not yet taken by the kernel; above it publish() says no
LINK_READ_BYTES = 262_144  # one socket read; grows to the packet that needs more
LINK_UNACKED_MAX = 1_000  # QoS 1 publishes without PUBACK; NATS stalls a session at 1,024
LINK_QUEUE_MESSAGES = 10_000  # between paho's thread and the event loop
LINK_TOPICS_CACHED = 16_384  # decoded topic names kept; a flood of new names only costs time

# HTTP and WebSocket of the twin
API_BODY_BYTES_MAX = 4 * MIB  # a change that binds 10,000 points is about 1 MiB of JSON
UPLOADS_KEPT_MAX = 8  # uploaded models on disk; the oldest goes, its revision in the database stays
UPLOAD_BYTES_MAX = 2_048 * MIB  # the largest IFC met in the field is 1.3 GB; streamed to disk, never in memory
PAGE_ITEMS_DEFAULT = 1_000  # a list without `limit`
PAGE_ITEMS_MAX = 50_000  # one page; encoded in under a second
SEARCH_CHARS_MAX = 200  # a name, a GlobalId or words of a search
HISTORY_POINTS_MAX = 64  # one call feeds one chart
HISTORY_BUCKETS_MAX = 20_000  # four values a pixel of the widest wall display
HISTORY_POINTS_AT_ONCE = 8  # read together: 30 days at 15 s of each are 40 MB
HISTORY_RAW_ROWS_MAX = 2_000_000  # `agg=raw` of one call: 42 MB of Arrow
CHANGES_KEPT_MAX = 10_000  # previews that were never activated are dropped beyond that, oldest first
HTTP_CONNECTIONS_MAX = 2_000  # a wall of displays plus scripts stays far below; file handles end at 20,000 here
HTTP_HEAD_S_MAX = 10.0  # from the connection to a whole request head; the worst radio link needs two
HTTP_BODY_GRACE_S = 20.0  # a body may pause so long altogether
HTTP_BODY_BYTES_S_MIN = 4_096  # beyond the grace it keeps this pace: a model over EDGE still passes
LIVE_MESSAGE_BYTES_MAX = 1 * MIB  # a subscription that names 50,000 points is 350 KB
LIVE_VIEWS_MAX = 32  # views of one socket
LIVE_POINTS_MAX = 50_000  # points of one view
LIVE_CREDIT_FIRST = 4  # frames sent before the client must say that it read some
LIVE_CREDIT_MAX = 64  # what a client may have open: bounds the memory of one that does not read
LIVE_RATE_HZ_MAX = 10.0  # eyes and charts gain nothing beyond
LIVE_SEND_S_MAX = 20.0  # a socket that takes no byte for so long is closed

# Commands
COMMAND_LIFE_S = 10.0  # a command that arrives later is not carried out
COMMANDS_KEPT_MAX = 1_000  # answers kept in memory for GET /commands/{id}; the audit keeps them all

# Users' SQL, in a child process
SQL_CHARS_MAX = 100_000  # a longer text is generated, and better a file with the data engineer
SQL_ROWS_DEFAULT = 100_000  # rows of one answer, unless asked otherwise
SQL_ROWS_MAX = 1_000_000  # rows of one answer
SQL_RESULT_BYTES_MAX = 64 * MIB  # one answer is held in the twin's memory while it is sent
SQL_TIME_S_MAX = 30.0  # then interrupted, and killed a second later
SQL_MEMORY_BYTES_MAX = 512 * MIB  # DuckDB's own bound in the child
SQL_ADDRESS_BYTES_MAX = 2_560 * MIB  # the kernel's bound, for what DuckDB does not count
SQL_TEMP_BYTES_MAX = 1_024 * MIB  # spilled to disk by one query
SQL_CHILDREN_MAX = 2  # queries at once, at the lowest priority: ingest keeps its core
SQL_WAITING_MAX = 16  # queries in line; the next is told to come back
SQL_CHILD_JOBS_MAX = 50  # then a fresh child: what leaks, leaks for fifty queries
SQL_RECENT_ROWS_MAX = 5_000_000  # newest rows handed to one query beside the cold files: 110 MB
