//! One suite over the ports, run on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod accepting;
mod claims;
mod imports;
mod jobs;
mod leases;
mod limits;
mod look_ups;
mod pages;
mod random;
mod results;
mod support;
mod sync_deletes;
mod sync_state;
mod tokens;
mod upkeep;

/// Runs each test on both databases.
macro_rules! on_both {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test]
                async fn $test() {
                    crate::$module::$test(&crate::support::Database::sqlite().await).await;
                })+
            })+
        }
        mod postgres {
            $(mod $module {
                $(#[tokio::test]
                async fn $test() {
                    crate::$module::$test(&crate::support::Database::postgres().await).await;
                })+
            })+
        }
    };
}

on_both! {
    imports:
        new_entries_are_pending_or_disabled,
        the_same_again_changes_nothing,
        a_changed_place_digest_or_rule_recalculates,
        a_changed_digest_forgets_baseline_and_acceptance,
        a_changed_rule_forgets_the_acceptance_alone,
        other_changes_keep_the_state,
        disabled_is_switched_both_ways,
        later_entries_win,
        an_error_in_the_stream_writes_nothing,
        an_import_below_a_lease_is_not_held_by_it,
        overlapping_imports_at_once_all_end;
    pages:
        composite_and_mixed_keys_are_in_numeric_order,
        pages_walk_both_ways_in_both_orders,
        a_bound_need_not_exist,
        offsets_and_empty_pages,
        states_and_keys_filter_together,
        started_is_derived_everywhere,
        counting_stops;
    look_ups:
        nothing_is_none,
        shapes_are_known,
        paths_come_in_byte_order,
        what_differs_is_found_in_pages,
        the_summary_counts_everything,
        a_current_schema_is_well;
    claims:
        a_claim_takes_the_next_in_key_order_and_goes_round,
        claims_jump_over_leased_ranges,
        models_and_storages_take_turns,
        filters_choose,
        due_from_leaves_older_ones,
        concurrent_claims_share_no_record,
        claim_one_takes_a_record_out_of_a_lease,
        claim_one_takes_any_state;
    results:
        successes_and_failures_are_written_whole,
        a_late_result_is_thrown_away,
        an_ended_lease_gives_back_the_rest,
        a_result_before_a_failure_is_told_apart,
        what_was_found_instead_is_kept_with_the_failure,
        work_is_signalled;
    leases:
        renewals_keep_a_lease_and_name_the_gone,
        a_lease_without_progress_times_out,
        a_worker_without_a_heartbeat_is_released,
        what_finished_before_the_deadline_stays;
    upkeep:
        recalculate_is_what_the_domain_says,
        recalculating_again_moves_on,
        failed_records_are_retried_in_time,
        a_retry_below_a_lease_is_not_held_by_it,
        old_successes_expire,
        outstanding_counts_due_and_leased;
    accepting:
        accepted_content_counts_from_now_on,
        acceptance_voids_a_running_attempt;
    jobs:
        a_job_over_everything_goes_in_batches,
        jobs_by_state_visit_each_record_once,
        a_job_by_keys_marks_those_there_are,
        a_job_over_started_records_ends,
        a_cancelled_job_stays_half_done,
        jobs_are_listed_newest_first,
        two_advance_one_job_at_a_time;
    tokens:
        a_token_is_kept_and_found,
        names_are_unique_until_revoked,
        of_two_at_once_one_gets_the_name;
    sync_state:
        one_holds_the_sync_at_a_time,
        of_many_at_once_one_holds_the_sync,
        who_lost_the_sync_changes_nothing,
        states_come_back_in_the_order_of_the_models,
        a_refused_piece_keeps_no_state,
        pieces_add_change_and_leave,
        pieces_of_composite_keys_and_of_thousands,
        a_later_touch_recalculates_once,
        a_touch_leaves_a_running_attempt_to_its_end,
        a_changed_checksum_elsewhere_is_compared_or_forgets_how_ours_compared,
        a_sync_below_a_lease_is_not_held_by_it,
        work_of_a_sync_is_signalled,
        imports_and_syncs_at_once_all_end;
    sync_deletes:
        records_without_a_row_go_within_the_range,
        too_many_at_once_are_kept,
        only_records_of_the_source_go,
        a_whole_model_may_go,
        ranges_of_composite_keys,
        a_record_under_a_lease_may_go,
        a_result_from_before_is_none_of_a_record_that_came_again,
        deletions_and_results_at_once_all_end;
    limits:
        values_that_do_not_fit_are_refused,
        the_largest_values_fit,
        odd_texts_come_back,
        a_vanished_caller_leaves_nothing_half_done;
    random:
        agrees_with_a_model_in_memory;
}
