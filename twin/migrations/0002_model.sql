-- Schema 2. Models in revisions, so that an old one can come back; changes with their diff; commands.
DROP TABLE elements;
DROP TABLE changes;

CREATE TABLE model_revisions (
    revision UINTEGER NOT NULL, file VARCHAR NOT NULL, schema VARCHAR NOT NULL, sha256 VARCHAR NOT NULL,
    loaded TIMESTAMPTZ NOT NULL, active BOOLEAN NOT NULL, warnings VARCHAR NOT NULL
);
-- Columns as in bim/tables.py.
CREATE TABLE model_elements (
    revision UINTEGER NOT NULL, id VARCHAR NOT NULL, step UINTEGER NOT NULL, type VARCHAR NOT NULL,
    category VARCHAR NOT NULL, role VARCHAR NOT NULL, predefined VARCHAR NOT NULL, name VARCHAR NOT NULL,
    long_name VARCHAR NOT NULL, description VARCHAR NOT NULL, object_type VARCHAR NOT NULL,
    tag VARCHAR NOT NULL, parent VARCHAR, storey VARCHAR, storey_how VARCHAR NOT NULL, space VARCHAR,
    space_how VARCHAR NOT NULL, type_id VARCHAR, type_class VARCHAR NOT NULL, type_name VARCHAR NOT NULL,
    x_m DOUBLE, y_m DOUBLE, z_m DOUBLE, elevation_m DOUBLE, footprint_m DOUBLE[], z_min_m DOUBLE,
    z_max_m DOUBLE, has_shape BOOLEAN NOT NULL, materials VARCHAR[] NOT NULL,
    classifications VARCHAR[] NOT NULL, point_keys VARCHAR[] NOT NULL, devices VARCHAR[] NOT NULL,
    brick VARCHAR NOT NULL
);
CREATE TABLE model_psets (
    revision UINTEGER NOT NULL, element VARCHAR NOT NULL, pset VARCHAR NOT NULL, name VARCHAR NOT NULL,
    value VARCHAR NOT NULL, number DOUBLE, unit VARCHAR NOT NULL, value_type VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, source VARCHAR NOT NULL
);
CREATE TABLE model_relations (
    revision UINTEGER NOT NULL, kind VARCHAR NOT NULL, source VARCHAR NOT NULL, target VARCHAR NOT NULL
);
CREATE VIEW elements AS SELECT e.* EXCLUDE (revision) FROM model_elements e
    JOIN model_revisions r ON r.revision = e.revision AND r.active;
CREATE VIEW psets AS SELECT p.* EXCLUDE (revision) FROM model_psets p
    JOIN model_revisions r ON r.revision = p.revision AND r.active;

CREATE TABLE changes (
    id UINTEGER NOT NULL, kind VARCHAR NOT NULL, state VARCHAR NOT NULL, body VARCHAR NOT NULL,
    note VARCHAR NOT NULL, diff VARCHAR NOT NULL, problems VARCHAR NOT NULL, undo VARCHAR NOT NULL,
    "by" VARCHAR NOT NULL, "at" TIMESTAMPTZ NOT NULL
);
-- What active changes say, by kind and name: a point's fixed place or limits, the site's fields.
CREATE TABLE settings (kind VARCHAR NOT NULL, name VARCHAR NOT NULL, value VARCHAR NOT NULL, change UINTEGER);
CREATE TABLE commands (
    id VARCHAR NOT NULL, point VARCHAR NOT NULL, value VARCHAR NOT NULL, issued TIMESTAMPTZ NOT NULL,
    expires TIMESTAMPTZ NOT NULL, counter UBIGINT NOT NULL, "by" VARCHAR NOT NULL, status VARCHAR NOT NULL,
    detail VARCHAR NOT NULL, changed TIMESTAMPTZ NOT NULL
);
