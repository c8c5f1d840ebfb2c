-- Schema 9. Who may do what: accounts, sessions, tokens and one-time links (secrets as digests only); how an action ended.
CREATE TABLE access_accounts (
    name VARCHAR NOT NULL, full_name VARCHAR NOT NULL, password VARCHAR NOT NULL, issuer VARCHAR NOT NULL,
    subject VARCHAR NOT NULL, grants VARCHAR NOT NULL, disabled BOOLEAN NOT NULL, created_us BIGINT NOT NULL,
    changed_us BIGINT NOT NULL
);
CREATE TABLE access_sessions (
    digest VARCHAR NOT NULL, "user" VARCHAR NOT NULL, csrf VARCHAR NOT NULL, created_us BIGINT NOT NULL,
    seen_us BIGINT NOT NULL, expires_us BIGINT NOT NULL, address VARCHAR NOT NULL, agent VARCHAR NOT NULL
);
CREATE TABLE access_tokens (
    id VARCHAR NOT NULL, "user" VARCHAR NOT NULL, name VARCHAR NOT NULL, digest VARCHAR NOT NULL,
    scopes VARCHAR NOT NULL, created_us BIGINT NOT NULL, expires_us BIGINT NOT NULL, used_us BIGINT NOT NULL,
    revoked_us BIGINT NOT NULL
);
CREATE TABLE access_links (
    digest VARCHAR NOT NULL, "user" VARCHAR NOT NULL, expires_us BIGINT NOT NULL
);
ALTER TABLE audit ADD COLUMN result VARCHAR DEFAULT 'done';
