-- Who signed in to the console, by the SHA-256 of a random value that only the browser has. The token that it was done
-- with is the digest of one of our own (kind 0), or one of another system, encrypted with a key that is made of the same
-- random value (kind 1).
CREATE TABLE sessions (
    digest     BLOB NOT NULL PRIMARY KEY,
    token_kind INTEGER NOT NULL CHECK (token_kind IN (0, 1)),
    token      BLOB NOT NULL,
    began_at   INTEGER NOT NULL,
    used_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
