-- Schema 4. Models of several files, and where an element of one revision stands in another.
DROP VIEW elements;
DROP VIEW psets;
ALTER TABLE model_elements ADD COLUMN shape VARCHAR DEFAULT '';
ALTER TABLE model_elements ADD COLUMN source VARCHAR DEFAULT '';
ALTER TABLE model_revisions ADD COLUMN parts VARCHAR DEFAULT '[]';
CREATE VIEW elements AS SELECT e.* EXCLUDE (revision) FROM model_elements e
    JOIN model_revisions r ON r.revision = e.revision AND r.active;
CREATE VIEW psets AS SELECT p.* EXCLUDE (revision) FROM model_psets p
    JOIN model_revisions r ON r.revision = p.revision AND r.active;

-- Only ids that differ; kept after their revisions are cleared away, so that old names go on being understood.
CREATE TABLE model_matches (
    from_revision UINTEGER NOT NULL, to_revision UINTEGER NOT NULL, old VARCHAR NOT NULL, new VARCHAR NOT NULL,
    how VARCHAR NOT NULL, confidence DOUBLE NOT NULL
);
