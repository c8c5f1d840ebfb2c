-- Schema 5. The plan: schedules in revisions, links task to element, dates that people reported.
-- What is true of the plan stands in the rows; since when we know it, in known_from and known_to (null: still so).
CREATE TABLE schedule_revisions (
    revision UINTEGER NOT NULL, file VARCHAR NOT NULL, format VARCHAR NOT NULL, name VARCHAR NOT NULL,
    project VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, origin VARCHAR NOT NULL, taken_in TIMESTAMPTZ NOT NULL,
    about VARCHAR NOT NULL, problem VARCHAR NOT NULL
);
-- Columns as in bim/schedule/rows.py and DATES of bim/schedule/passes.py. Times are the site's wall clock.
CREATE TABLE schedule_tasks (
    revision UINTEGER NOT NULL, id VARCHAR NOT NULL, code VARCHAR NOT NULL, name VARCHAR NOT NULL,
    project VARCHAR NOT NULL, kind VARCHAR NOT NULL, parent VARCHAR, wbs VARCHAR, wbs_code VARCHAR NOT NULL,
    outline INTEGER NOT NULL, calendar VARCHAR, active BOOLEAN NOT NULL, manual BOOLEAN NOT NULL,
    purpose VARCHAR NOT NULL, status VARCHAR NOT NULL, percent DOUBLE, percent_kind VARCHAR NOT NULL,
    duration_h DOUBLE, duration_kind VARCHAR NOT NULL, remaining_h DOUBLE, planned_start TIMESTAMP_S,
    planned_finish TIMESTAMP_S, planned_from VARCHAR NOT NULL, actual_start TIMESTAMP_S,
    actual_finish TIMESTAMP_S, forecast_start TIMESTAMP_S, forecast_finish TIMESTAMP_S, suspended TIMESTAMP_S,
    resumed TIMESTAMP_S, early_start TIMESTAMP_S, early_finish TIMESTAMP_S, late_start TIMESTAMP_S,
    late_finish TIMESTAMP_S, total_float_h DOUBLE, free_float_h DOUBLE, critical BOOLEAN,
    "constraint" VARCHAR NOT NULL, constraint_at TIMESTAMP_S, constraint2 VARCHAR NOT NULL,
    constraint2_at TIMESTAMP_S, deadline TIMESTAMP_S, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_links (
    revision UINTEGER NOT NULL, predecessor VARCHAR, successor VARCHAR, "type" VARCHAR NOT NULL,
    lag_h DOUBLE NOT NULL, lag_kind VARCHAR NOT NULL, outside VARCHAR NOT NULL, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_calendars (
    revision UINTEGER NOT NULL, id VARCHAR NOT NULL, name VARCHAR NOT NULL, base VARCHAR,
    "default" BOOLEAN NOT NULL, scope VARCHAR NOT NULL, hours_per_day DOUBLE, hours_per_week DOUBLE,
    "line" INTEGER NOT NULL
);
CREATE TABLE schedule_work_times (
    revision UINTEGER NOT NULL, calendar VARCHAR NOT NULL, weekday INTEGER, "first" DATE, "last" DATE,
    minutes INTEGER[] NOT NULL, name VARCHAR NOT NULL, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_baselines (
    revision UINTEGER NOT NULL, task VARCHAR NOT NULL, name VARCHAR NOT NULL, start TIMESTAMP_S,
    finish TIMESTAMP_S, duration_h DOUBLE, work_h DOUBLE, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_wbs (
    revision UINTEGER NOT NULL, id VARCHAR NOT NULL, parent VARCHAR, project VARCHAR NOT NULL,
    code VARCHAR NOT NULL, name VARCHAR NOT NULL, path VARCHAR NOT NULL, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_codes (
    revision UINTEGER NOT NULL, task VARCHAR NOT NULL, "type" VARCHAR NOT NULL, value VARCHAR NOT NULL,
    text VARCHAR NOT NULL, kind VARCHAR NOT NULL, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_resources (
    revision UINTEGER NOT NULL, id VARCHAR NOT NULL, code VARCHAR NOT NULL, name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, calendar VARCHAR, unit VARCHAR NOT NULL, max_units DOUBLE, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_assignments (
    revision UINTEGER NOT NULL, task VARCHAR NOT NULL, resource VARCHAR, units DOUBLE, planned DOUBLE,
    actual DOUBLE, remaining DOUBLE, start TIMESTAMP_S, finish TIMESTAMP_S, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_element_tasks (
    revision UINTEGER NOT NULL, element VARCHAR NOT NULL, task VARCHAR NOT NULL, how VARCHAR NOT NULL,
    role VARCHAR NOT NULL, confidence DOUBLE NOT NULL, detail VARCHAR NOT NULL, "line" INTEGER NOT NULL
);
CREATE TABLE schedule_network (
    revision UINTEGER NOT NULL, id VARCHAR NOT NULL, early_start TIMESTAMP_S, early_finish TIMESTAMP_S,
    late_start TIMESTAMP_S, late_finish TIMESTAMP_S, total_float_h DOUBLE, free_float_h DOUBLE,
    critical BOOLEAN, longest_path BOOLEAN
);
-- Which revision of what ("schedule", "link_file", "link_rules") was live when.
CREATE TABLE plan_activations (
    what VARCHAR NOT NULL, revision UINTEGER NOT NULL, change UINTEGER, known_from TIMESTAMPTZ NOT NULL,
    known_to TIMESTAMPTZ
);
-- Link files and rules as they were given; a task is named by id, code or name.
CREATE TABLE link_sources (
    revision UINTEGER NOT NULL, what VARCHAR NOT NULL, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL,
    origin VARCHAR NOT NULL, rules VARCHAR NOT NULL, taken_in TIMESTAMPTZ NOT NULL
);
CREATE TABLE link_rows (
    revision UINTEGER NOT NULL, element VARCHAR NOT NULL, task VARCHAR NOT NULL, name VARCHAR NOT NULL,
    "start" DATE, detail VARCHAR NOT NULL
);
-- What people decided about single links, and reported about single tasks.
CREATE TABLE link_decisions (
    element VARCHAR NOT NULL, task VARCHAR NOT NULL, linked BOOLEAN NOT NULL, change UINTEGER,
    known_from TIMESTAMPTZ NOT NULL, known_to TIMESTAMPTZ
);
CREATE TABLE task_actuals (
    task VARCHAR NOT NULL, start TIMESTAMP_S, finish TIMESTAMP_S, percent DOUBLE, change UINTEGER,
    known_from TIMESTAMPTZ NOT NULL, known_to TIMESTAMPTZ
);
-- The links that follow from all of these, kept by the twin.
CREATE TABLE element_links (
    element VARCHAR NOT NULL, task VARCHAR NOT NULL, how VARCHAR NOT NULL, role VARCHAR NOT NULL,
    confidence DOUBLE NOT NULL, detail VARCHAR NOT NULL, known_from TIMESTAMPTZ NOT NULL, known_to TIMESTAMPTZ
);
CREATE VIEW element_tasks AS SELECT * EXCLUDE (known_to) FROM element_links WHERE known_to IS NULL;
