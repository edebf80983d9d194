DROP TRIGGER records_moved;
DROP TRIGGER records_changed;
DROP TRIGGER records_removed;
DROP TRIGGER records_added;
DROP TABLE success_slots;
DROP TABLE record_counts;
