-- Schema 13. Gateways from afar: what each node shall run by section, newest revision last, and the roll-outs.
CREATE TABLE fleet_desired (
    section VARCHAR NOT NULL, node VARCHAR NOT NULL, revision BIGINT NOT NULL, rollout UINTEGER NOT NULL,
    at_us BIGINT NOT NULL, "by" VARCHAR NOT NULL, why VARCHAR NOT NULL, body VARCHAR NOT NULL
);
CREATE TABLE fleet_rollouts (
    id UINTEGER NOT NULL, section VARCHAR NOT NULL, state VARCHAR NOT NULL, body VARCHAR NOT NULL
);
