-- How many attempts ended well and badly, by the day (since 1970, UTC). Several parts of a day's numbers, so that workers do
-- not wait for one another.
CREATE TABLE result_days (
    day       bigint NOT NULL,
    model     smallint NOT NULL,
    part      smallint NOT NULL,
    succeeded bigint NOT NULL,
    failed    bigint NOT NULL,
    PRIMARY KEY (day, model, part)
);
