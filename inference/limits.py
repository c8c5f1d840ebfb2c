"""Every bound of the room, in one place, each with its reason. Units stand last in the name."""

MIB = 1 << 20

# Files read
CSV_BYTES_MAX = 512 * MIB  # a year of 50 channels at one minute is 200 MB
CSV_ROWS_MAX = 5_000_000  # held in memory as float64: 5 M rows of ten channels are 400 MB
CSV_COLUMNS_MAX = 1_000  # one asset; a plant is scored asset by asset
CSV_CELLS_MAX = 100_000_000  # rows times columns: 800 MB
TRAIN_ROWS_MIN = 64  # fewer rows hold no window twice

# Training from a twin
ANSWER_BYTES_MAX = 256 * MIB  # one answer of the twin's API: a million cells are 24 MB
CELLS_ASKED_MAX = 500_000  # rows of one query to the twin, half of what it gives
TRAIN_CELLS_MAX = 20_000_000  # rows times channels of one asset: 160 MB
TRAIN_ASSETS_MAX = 2_000
TRAIN_ADDRESS_BYTES_MAX = 4_096 * MIB  # the child's; numpy and onnx reserve far more than they use
TRAIN_TIME_S_MAX = 3_600.0

# Models
BUNDLE_BYTES_MAX = 64 * MIB  # an asset of 1,000 channels is 12 MB
MANIFEST_BYTES_MAX = 4 * MIB  # names, tables and thresholds of 1,000 channels are 1 MB
CHANNELS_MAX = 1_000
CLIP_Z = 50.0  # scaled values beyond say "far away" and nothing more; keeps squares finite
LEARN_CELLS_MAX = 20_000_000  # values of all windows learned from: 160 MB; beyond, evenly spread ones are taken
LEARN_WINDOWS_MIN = 1_000  # however many channels there are
TILE_ROWS = 256  # windows of one run: tiles of 100 to 500 beat one huge batch and bound memory

# Signed bundles and their way to gateways
PACKAGE_BYTES_MAX = 128 * MIB  # fifty assets of 40 channels are 30 MB
PACKAGE_HEADER_BYTES_MAX = 4 * MIB  # names and metrics of 10,000 channels are 1 MB
PACKAGE_PARTS_MAX = 2_000
VERSIONS_KEPT = 3  # of one model on a gateway: what runs, what ran, what is tried
MODELS_MAX = 64  # that one node is told to run

# Calibration
LOG_P_MAX = 1e6  # -log10 p beyond says nothing more; keeps JSON and CSV finite
BLOCKS_KEPT = 1_024  # block maxima a stream remembers: 16,384 rows at 16 rows a block
EVENTS_KEPT = 10_000  # of one scored file, in the report
