-- Schema 1. Warm rows live here; older ones in Parquet files, which count only when cold_files lists them.
CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);

CREATE TABLE readings_warm (
    point UINTEGER NOT NULL, ts TIMESTAMPTZ NOT NULL, value DOUBLE NOT NULL, quality UTINYINT NOT NULL,
    recv TIMESTAMPTZ NOT NULL
);
CREATE TABLE states_warm (
    point UINTEGER NOT NULL, ts TIMESTAMPTZ NOT NULL, value VARCHAR NOT NULL, quality UTINYINT NOT NULL,
    recv TIMESTAMPTZ NOT NULL
);
CREATE TABLE events (
    node VARCHAR NOT NULL, ts TIMESTAMPTZ NOT NULL, device VARCHAR NOT NULL, kind VARCHAR NOT NULL,
    severity UTINYINT NOT NULL, point UINTEGER, message VARCHAR NOT NULL, detail VARCHAR NOT NULL,
    recv TIMESTAMPTZ NOT NULL
);
CREATE TABLE poses (
    point UINTEGER NOT NULL, ts TIMESTAMPTZ NOT NULL, lat_deg DOUBLE NOT NULL, lon_deg DOUBLE NOT NULL,
    alt_m DOUBLE NOT NULL, datum UTINYINT NOT NULL, roll_deg FLOAT NOT NULL, pitch_deg FLOAT NOT NULL,
    yaw_deg FLOAT NOT NULL, quality UTINYINT NOT NULL, recv TIMESTAMPTZ NOT NULL
);

-- A point's identity is (site, node, device, metric); ids are dense from 1 and never used again.
CREATE TABLE points (
    id UINTEGER NOT NULL, site VARCHAR NOT NULL, node VARCHAR NOT NULL, device VARCHAR NOT NULL,
    metric VARCHAR NOT NULL, kind VARCHAR NOT NULL, unit VARCHAR NOT NULL, point_class VARCHAR NOT NULL,
    low DOUBLE, high DOUBLE, declared VARCHAR NOT NULL, writable BOOLEAN NOT NULL,
    element_hint VARCHAR NOT NULL, space_hint VARCHAR NOT NULL, label VARCHAR NOT NULL, period_s DOUBLE,
    meta VARCHAR NOT NULL
);
CREATE TABLE catalogues (
    site VARCHAR NOT NULL, node VARCHAR NOT NULL, epoch BLOB NOT NULL, generation UINTEGER NOT NULL,
    seq UBIGINT NOT NULL, digest VARCHAR NOT NULL, body BLOB NOT NULL, recv TIMESTAMPTZ NOT NULL
);

-- What has arrived of each epoch: disjoint ranges. New ones are appended and merged at each start.
CREATE TABLE committed (
    site VARCHAR NOT NULL, node VARCHAR NOT NULL, epoch BLOB NOT NULL, lo UBIGINT NOT NULL, hi UBIGINT NOT NULL
);
CREATE TABLE gaps (
    site VARCHAR NOT NULL, node VARCHAR NOT NULL, epoch BLOB NOT NULL, lo UBIGINT NOT NULL,
    hi UBIGINT NOT NULL, reason VARCHAR NOT NULL, readings UBIGINT, recv TIMESTAMPTZ NOT NULL
);
CREATE TABLE quarantine (
    site VARCHAR NOT NULL, node VARCHAR NOT NULL, epoch BLOB, seq UBIGINT, generation UINTEGER,
    reason VARCHAR NOT NULL, detail VARCHAR NOT NULL, body BLOB NOT NULL, recv TIMESTAMPTZ NOT NULL
);
CREATE TABLE nodes (
    site VARCHAR NOT NULL, node VARCHAR NOT NULL, boot UBIGINT NOT NULL, agent VARCHAR NOT NULL,
    first_seen TIMESTAMPTZ NOT NULL
);

-- The manifest of cold files, and the state of every point at the start of each of their buckets.
CREATE TABLE cold_files (
    id UBIGINT NOT NULL, kind VARCHAR NOT NULL, file VARCHAR NOT NULL, lo_us BIGINT NOT NULL,
    hi_us BIGINT NOT NULL, bucket_us BIGINT NOT NULL, row_count UBIGINT NOT NULL, bytes UBIGINT NOT NULL,
    sha256 VARCHAR NOT NULL, created TIMESTAMPTZ NOT NULL
);
CREATE TABLE keyframes (
    kind VARCHAR NOT NULL, at_us BIGINT NOT NULL, point UINTEGER NOT NULL, ts TIMESTAMPTZ NOT NULL,
    value DOUBLE, text VARCHAR, quality UTINYINT NOT NULL, recv TIMESTAMPTZ NOT NULL
);

-- The model and what people changed.
CREATE TABLE elements (
    id VARCHAR NOT NULL, type VARCHAR NOT NULL, name VARCHAR NOT NULL, long_name VARCHAR NOT NULL,
    storey VARCHAR, space VARCHAR, parent VARCHAR, properties VARCHAR NOT NULL, quantities VARCHAR NOT NULL
);
CREATE TABLE bindings (
    point UINTEGER NOT NULL, element VARCHAR, space VARCHAR, how VARCHAR NOT NULL,
    confidence DOUBLE NOT NULL, detail VARCHAR NOT NULL
);
CREATE TABLE changes (
    id VARCHAR NOT NULL, kind VARCHAR NOT NULL, state VARCHAR NOT NULL, body VARCHAR NOT NULL,
    "by" VARCHAR NOT NULL, "at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE audit (
    "at" TIMESTAMPTZ NOT NULL, "by" VARCHAR NOT NULL, what VARCHAR NOT NULL, detail VARCHAR NOT NULL
);
