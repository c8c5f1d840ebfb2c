-- Schema 12. Commissioning: what people saw at a point on site, beside what the twin showed. Rows are only added.
CREATE TABLE verifications (
    id UINTEGER NOT NULL, point UINTEGER NOT NULL, "at" TIMESTAMPTZ NOT NULL, "by" VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL, seen VARCHAR NOT NULL, shown VARCHAR NOT NULL, note VARCHAR NOT NULL
);
