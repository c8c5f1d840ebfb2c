-- Schema 11. What detectors said where it was worth keeping: −log10 p, whether it rang, and why.
CREATE TABLE scores (
    point UINTEGER NOT NULL, ts TIMESTAMPTZ NOT NULL, score DOUBLE NOT NULL, alarm BOOLEAN NOT NULL,
    explanation VARCHAR NOT NULL
);
