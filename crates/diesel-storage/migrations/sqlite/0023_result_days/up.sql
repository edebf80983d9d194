-- How many attempts ended well and badly, by the day (since 1970, UTC). Several parts of a day's numbers, so that workers do
-- not wait for one another.
CREATE TABLE result_days (
    day       INTEGER NOT NULL,
    model     INTEGER NOT NULL,
    part      INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    PRIMARY KEY (day, model, part)
) STRICT, WITHOUT ROWID;
