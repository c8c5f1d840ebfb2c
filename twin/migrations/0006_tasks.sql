-- Schema 6. The live plan as it is asked for: its tasks in UTC, with what people reported; its links.
CREATE TABLE tasks (
    id VARCHAR NOT NULL, code VARCHAR NOT NULL, name VARCHAR NOT NULL, project VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, parent VARCHAR, wbs VARCHAR NOT NULL, calendar VARCHAR, active BOOLEAN NOT NULL,
    status VARCHAR NOT NULL, percent DOUBLE, duration_h DOUBLE, planned_start TIMESTAMPTZ,
    planned_finish TIMESTAMPTZ, actual_start TIMESTAMPTZ, actual_finish TIMESTAMPTZ, forecast_start TIMESTAMPTZ,
    forecast_finish TIMESTAMPTZ, total_float_h DOUBLE, critical BOOLEAN NOT NULL, is_umbrella BOOLEAN NOT NULL,
    lifecycle_class VARCHAR NOT NULL, reported BOOLEAN NOT NULL, elements UINTEGER NOT NULL,
    revision UINTEGER NOT NULL
);
CREATE VIEW task_links AS SELECT l.* EXCLUDE (revision, "line") FROM schedule_links l JOIN plan_activations a
    ON a.what = 'schedule' AND a.revision = l.revision AND a.known_to IS NULL;
CREATE VIEW schedules AS SELECT r.* EXCLUDE (about), a.known_from, a.known_to FROM schedule_revisions r
    LEFT JOIN plan_activations a ON a.what = 'schedule' AND a.revision = r.revision;
