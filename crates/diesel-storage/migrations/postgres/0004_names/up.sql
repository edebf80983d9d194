-- The field's names for what 0003 called otherwise. Nothing else changes.
ALTER TABLE records RENAME COLUMN elsewhere TO source_checksum;
ALTER TABLE records RENAME COLUMN agrees TO matches_source;
ALTER TABLE records RENAME COLUMN touched_at TO content_changed_at;

ALTER TABLE syncs RENAME TO sync_states;
ALTER TABLE sync_states RENAME COLUMN touched_to TO changes_read_to;
ALTER TABLE sync_states RENAME COLUMN round_at TO full_scan_at;
ALTER TABLE sync_states RENAME COLUMN round_records TO full_scan_records;
ALTER TABLE sync_states RENAME COLUMN round_deleted TO full_scan_deleted;
ALTER TABLE sync_states RENAME COLUMN round_kept TO full_scan_kept;
ALTER TABLE sync_states RENAME COLUMN round_due_at TO full_scan_due_at;
ALTER TABLE sync_states RENAME COLUMN round_ended_at TO full_scan_ended_at;

ALTER TABLE sync_holder RENAME TO sync_leader;
ALTER TABLE sync_leader RENAME COLUMN holder TO leader;
ALTER TABLE sync_leader RENAME COLUMN held_until TO lease_until;

ALTER INDEX records_differing RENAME TO records_mismatched;
ALTER INDEX syncs_pkey RENAME TO sync_states_pkey;
ALTER INDEX sync_holder_pkey RENAME TO sync_leader_pkey;
ALTER TABLE sync_leader RENAME CONSTRAINT sync_holder_held TO sync_leader_lease;
ALTER TABLE sync_leader RENAME CONSTRAINT sync_holder_id_check TO sync_leader_id_check;
