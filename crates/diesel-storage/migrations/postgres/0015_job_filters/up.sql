-- What the records of a bulk job have in common, as JSON.
ALTER TABLE jobs ADD COLUMN selected_filter text;
