-- Without their filter these jobs would be about all records of the model.
DELETE FROM jobs WHERE selected_filter IS NOT NULL;
ALTER TABLE jobs DROP COLUMN selected_filter;
