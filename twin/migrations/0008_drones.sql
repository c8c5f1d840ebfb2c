-- Schema 8. Drones: files that people bring, flights, photos, scans, and what scans say of elements.
-- What is known since when stands in known_from and known_to (null: still so); nothing of it is overwritten.
CREATE TABLE uploads (
    id VARCHAR NOT NULL, "group" VARCHAR NOT NULL, name VARCHAR NOT NULL, kind VARCHAR NOT NULL,
    state VARCHAR NOT NULL, file VARCHAR NOT NULL, bytes UBIGINT NOT NULL, sha256 VARCHAR NOT NULL,
    flight VARCHAR, scan VARCHAR, problem VARCHAR NOT NULL, reasons VARCHAR NOT NULL, device VARCHAR NOT NULL,
    taken TIMESTAMPTZ, attempts UTINYINT NOT NULL, "by" VARCHAR NOT NULL, received TIMESTAMPTZ NOT NULL,
    changed TIMESTAMPTZ NOT NULL
);
-- How the files of a group belong together and how its cloud is judged: JSON of twin.uploads_groups.Wishes.
CREATE TABLE upload_groups (
    "group" VARCHAR NOT NULL, wishes VARCHAR NOT NULL, committed TIMESTAMPTZ
);
-- A flight that goes on has no finish. The track of a live one is in `poses`, of an uploaded one in its positions.
CREATE TABLE flight_rows (
    id VARCHAR NOT NULL, source VARCHAR NOT NULL, device VARCHAR NOT NULL, point UINTEGER, kind VARCHAR NOT NULL,
    file VARCHAR NOT NULL, "group" VARCHAR NOT NULL, start TIMESTAMPTZ, finish TIMESTAMPTZ, is_open BOOLEAN NOT NULL,
    duration_s DOUBLE, distance_m DOUBLE NOT NULL, positions UINTEGER NOT NULL, west DOUBLE, south DOUBLE,
    east DOUBLE, north DOUBLE, height_datum VARCHAR, height_max_m DOUBLE, battery_start DOUBLE, battery_end DOUBLE,
    warnings VARCHAR[] NOT NULL, known_from TIMESTAMPTZ NOT NULL, known_to TIMESTAMPTZ
);
CREATE TABLE flight_positions (
    flight VARCHAR NOT NULL, ts TIMESTAMPTZ, t_s DOUBLE, lat_deg DOUBLE NOT NULL, lon_deg DOUBLE NOT NULL,
    alt_m DOUBLE, datum UTINYINT NOT NULL, roll_deg FLOAT, pitch_deg FLOAT, yaw_deg FLOAT, battery FLOAT,
    quality UTINYINT NOT NULL
);
CREATE TABLE flight_events (
    flight VARCHAR NOT NULL, ts TIMESTAMPTZ, kind VARCHAR NOT NULL, message VARCHAR NOT NULL,
    severity UTINYINT NOT NULL
);
CREATE TABLE photos (
    id VARCHAR NOT NULL, flight VARCHAR NOT NULL, upload VARCHAR NOT NULL, name VARCHAR NOT NULL, ts TIMESTAMPTZ,
    lat_deg DOUBLE, lon_deg DOUBLE, alt_m DOUBLE, datum UTINYINT NOT NULL, above_takeoff_m DOUBLE, yaw_deg DOUBLE,
    pitch_deg DOUBLE, roll_deg DOUBLE, width_px UINTEGER, height_px UINTEGER, focal_mm DOUBLE, focal_35mm DOUBLE,
    camera VARCHAR NOT NULL, pose VARCHAR NOT NULL, footprint VARCHAR NOT NULL, known_from TIMESTAMPTZ NOT NULL,
    known_to TIMESTAMPTZ
);
CREATE TABLE photo_elements (
    photo VARCHAR NOT NULL, element VARCHAR NOT NULL, share DOUBLE NOT NULL, distance_m DOUBLE
);
-- What somebody or a detector marked on a photo: its box (u0, v0, u1, v1), and where that lies on which element, in
-- model metres; `anchor` is JSON of drone_ingest.photos.defects.Anchor.
CREATE TABLE photo_marks (
    id VARCHAR NOT NULL, photo VARCHAR NOT NULL, box_px DOUBLE[] NOT NULL, element VARCHAR NOT NULL,
    x_m DOUBLE NOT NULL, y_m DOUBLE NOT NULL, z_m DOUBLE NOT NULL, size_m DOUBLE NOT NULL, anchor VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, note VARCHAR NOT NULL, "by" VARCHAR NOT NULL, known_from TIMESTAMPTZ NOT NULL,
    known_to TIMESTAMPTZ
);
CREATE TABLE scans (
    id VARCHAR NOT NULL, "group" VARCHAR NOT NULL, upload VARCHAR NOT NULL, flight VARCHAR, name VARCHAR NOT NULL,
    "at" TIMESTAMPTZ NOT NULL, accepted BOOLEAN NOT NULL, simulated BOOLEAN NOT NULL, model VARCHAR NOT NULL,
    schedule UINTEGER, points UBIGINT NOT NULL, residual_m DOUBLE, result VARCHAR NOT NULL, "by" VARCHAR NOT NULL,
    known_from TIMESTAMPTZ NOT NULL, known_to TIMESTAMPTZ
);
CREATE TABLE scan_verdicts (
    scan VARCHAR NOT NULL, element VARCHAR NOT NULL, verdict VARCHAR NOT NULL, p_built DOUBLE, seen UINTEGER NOT NULL,
    supported UINTEGER NOT NULL, pierced UINTEGER NOT NULL, occluded UINTEGER NOT NULL, planned UTINYINT NOT NULL,
    deviation_mean_mm DOUBLE, deviation_p95_mm DOUBLE, deviation_n UINTEGER
);
CREATE VIEW flights AS SELECT * EXCLUDE (known_to) FROM flight_rows WHERE known_to IS NULL;
CREATE VIEW verdicts AS SELECT v.*, s."at", s.known_from AS judged, s.simulated FROM scan_verdicts v
    JOIN scans s ON s.id = v.scan AND s.accepted AND s.known_to IS NULL;
