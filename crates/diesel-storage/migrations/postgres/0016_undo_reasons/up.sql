-- Why an acceptance was taken back. An acceptance whose checksum is empty retired its record.
ALTER TABLE acceptances ADD COLUMN undone_reason text;
