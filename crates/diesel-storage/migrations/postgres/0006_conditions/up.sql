-- What is wrong with a storage as a whole (kind 0) or with a process (kind 1, no subject), as a host sees it.
CREATE TABLE conditions (
    kind        smallint NOT NULL CHECK (kind IN (0, 1)),
    subject     text COLLATE "C" NOT NULL,
    host        text COLLATE "C" NOT NULL,
    reason      text NOT NULL,
    since       bigint NOT NULL,
    reported_at bigint NOT NULL,
    PRIMARY KEY (kind, subject, host)
);

-- Which storage a host found at the configured address when it last read good content there.
CREATE TABLE storage_identities (
    storage  text COLLATE "C" NOT NULL,
    host     text COLLATE "C" NOT NULL,
    identity text NOT NULL,
    PRIMARY KEY (storage, host)
);
