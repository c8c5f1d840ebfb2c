-- Schema 7. Alarms as they stand, and the journal of every step; messages that wait to be sent.
CREATE TABLE alarms (
    id UINTEGER NOT NULL, key VARCHAR NOT NULL, source VARCHAR NOT NULL, kind VARCHAR NOT NULL,
    state VARCHAR NOT NULL, priority VARCHAR NOT NULL, point UINTEGER, element VARCHAR,
    raised TIMESTAMPTZ, returned TIMESTAMPTZ, changed TIMESTAMPTZ NOT NULL, occurrences UINTEGER NOT NULL,
    body VARCHAR NOT NULL
);
CREATE TABLE alarm_journal (
    alarm UINTEGER NOT NULL, "at" TIMESTAMPTZ NOT NULL, what VARCHAR NOT NULL, state VARCHAR NOT NULL,
    before VARCHAR NOT NULL, priority VARCHAR NOT NULL, "by" VARCHAR NOT NULL, note VARCHAR NOT NULL,
    value VARCHAR NOT NULL, known TIMESTAMPTZ NOT NULL
);
CREATE TABLE alarm_messages (
    id UBIGINT NOT NULL, route VARCHAR NOT NULL, alarms VARCHAR NOT NULL,
    made TIMESTAMPTZ NOT NULL, due TIMESTAMPTZ NOT NULL, attempts UINTEGER NOT NULL, sent TIMESTAMPTZ,
    problem VARCHAR NOT NULL
);
