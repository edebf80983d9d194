-- Who signed in to the console, by the SHA-256 of a random value that only the browser has. The token that it was done
-- with is the digest of one of our own (kind 0), or one of another system, encrypted with a key that is made of the same
-- random value (kind 1).
CREATE TABLE sessions (
    digest     bytea NOT NULL PRIMARY KEY,
    token_kind smallint NOT NULL CHECK (token_kind IN (0, 1)),
    token      bytea NOT NULL,
    began_at   bigint NOT NULL,
    used_at    bigint NOT NULL
);
