ALTER TABLE sync_states DROP COLUMN full_scan_changed;
ALTER TABLE sync_states DROP COLUMN full_scan_added;
DROP TABLE unreferenced_pieces;
DROP TABLE searched_registries;
