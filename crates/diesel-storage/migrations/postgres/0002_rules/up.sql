-- What the recorded digest and size are of, where that is not the stored bytes; and whether the content may
-- rightly change, where the model's does not as a rule.
ALTER TABLE records ADD COLUMN rule text;
ALTER TABLE records ADD COLUMN mutable boolean NOT NULL DEFAULT FALSE;
