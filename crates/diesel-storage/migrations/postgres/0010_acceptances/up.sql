-- Each acceptance of a record's content, and what it replaced: so that it can be told and taken back. It outlives its record.
CREATE TABLE acceptances (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         smallint NOT NULL,
    key           bytea NOT NULL,
    accepted_at   bigint NOT NULL,
    accepted_by   text NOT NULL,
    reason        text,
    checksum      bytea NOT NULL,
    size          bigint,
    -- What counted before.
    expected      bytea,
    file_size     bigint,
    baseline      bytea,
    baseline_at   bigint,
    accepted      boolean NOT NULL,
    failure_cause text,
    failed_at     bigint,
    -- When and by whom it was taken back.
    undone_at     bigint,
    undone_by     text,
    CONSTRAINT acceptances_baseline CHECK ((baseline IS NULL) = (baseline_at IS NULL)),
    CONSTRAINT acceptances_undone CHECK ((undone_at IS NULL) = (undone_by IS NULL))
);

CREATE INDEX acceptances_of_record ON acceptances (model, key, id);
