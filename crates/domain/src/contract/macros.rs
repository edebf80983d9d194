//! The macros that make a test of each case.

/// Makes a test of each case of the suites of the database ports.
///
/// The first path is of a function that runs a future to its end; the second of one that returns a future of a
/// [`DatabaseFixture`](crate::contract::DatabaseFixture), a new one for each case.
#[macro_export]
macro_rules! database_contract {
    ($run:path, $fixture:path) => {
        $crate::contract_cases! { $run, $fixture;
            catalogue {
                imports {
                    new_entries_are_pending_or_disabled,
                    the_same_again_changes_nothing,
                    a_changed_place_digest_or_rule_recalculates,
                    a_changed_digest_forgets_baseline_and_acceptance,
                    a_changed_rule_forgets_the_acceptance_alone,
                    other_changes_keep_the_state,
                    disabled_is_switched_both_ways,
                    entries_with_one_key_must_be_the_same,
                    an_error_in_the_stream_writes_nothing,
                    an_import_below_a_lease_is_not_held_by_it,
                    overlapping_imports_at_once_all_end,
                    scans_at_once_share_no_key,
                    a_scan_of_a_storage_to_which_records_came_writes_nothing,
                    what_a_scan_changes_keeps_its_key,
                    new_records_of_a_scan_stay_behind_deleted_ones,
                }
                pages {
                    composite_and_mixed_keys_are_in_numeric_order,
                    pages_walk_both_ways_in_both_orders,
                    a_bound_need_not_exist,
                    offsets_and_empty_pages,
                    states_and_keys_filter_together,
                    started_is_derived_everywhere,
                }
                sorts {
                    each_sort_walks_both_ways_and_in_both_orders,
                    records_without_a_value_are_last,
                    pages_cross_records_of_the_same_value,
                    sorts_go_with_every_filter,
                    a_record_that_moves_between_two_pages_hides_no_other,
                    the_first_failure_stands_until_a_success,
                    more_than_may_be_sorted_is_said,
                }
                scans {
                    a_filter_without_an_index_looks_at_so_many_records,
                    what_an_index_finds_is_never_cut_short,
                    pages_without_matches_lead_on_both_ways,
                    matches_are_counted_as_far_as_the_limit_says,
                    kept_counts_are_exact_whatever_the_limit,
                    a_sort_looks_at_so_many_records,
                    a_batch_to_mark_looks_at_so_many_records,
                }
                look_ups {
                    nothing_is_none,
                    shapes_are_known,
                    records_in_a_storage_are_counted,
                    paths_come_in_byte_order,
                    mismatches_are_found_in_pages,
                    a_finding_stands_until_a_new_result,
                    what_was_good_is_counted_while_it_is_read_again,
                    the_summary_counts_everything,
                    a_current_schema_passes_the_check,
                }
                counts {
                    counts_are_exact_at_every_moment_of_many_at_once,
                    counts_by_storage_and_kind_are_those_of_such_records,
                    the_oldest_success_is_known_to_a_minute,
                }
                results {
                    results_are_counted_by_day_and_model,
                    a_result_that_is_void_does_not_count,
                }
                witnesses {
                    witnesses_are_spread_over_the_storage,
                    all_are_known_where_they_are_few,
                    only_what_was_there_is_a_witness,
                    a_digest_from_the_source_leaves_its_record_a_witness,
                }
                accepting {
                    accepted_content_counts_from_now_on,
                    acceptance_voids_a_running_attempt,
                    an_acceptance_is_kept_with_what_it_replaced,
                    acceptances_are_taken_back_one_after_the_other,
                    what_a_source_overruled_is_not_taken_back,
                    a_record_is_retired_until_that_is_taken_back,
                }
                filters {
                    patterns_match_as_the_domain_says,
                    every_part_of_a_filter_holds,
                    a_selection_is_marked_in_batches,
                    a_share_is_taken_by_chance,
                }
                reports {
                    records_of_a_storage_come_in_pages,
                    a_report_is_recorded_as_the_domain_judges,
                    what_is_newer_than_a_report_stays,
                    what_is_no_longer_there_is_not_judged_by_a_report,
                    a_report_voids_a_running_attempt,
                    a_damaged_row_is_not_judged_by_a_report,
                }
                failing {
                    failures_are_grouped_by_storage_kind_and_model,
                    records_with_the_same_checksum_are_found,
                }
                limits {
                    values_that_do_not_fit_are_refused,
                    the_largest_values_fit,
                    odd_texts_come_back,
                    a_vanished_caller_leaves_nothing_half_done,
                }
            }
            queue {
                claims {
                    a_claim_takes_the_next_in_key_order_and_goes_round,
                    claims_jump_over_leased_ranges,
                    models_and_storages_take_turns,
                    filters_choose,
                    due_from_leaves_older_ones,
                    concurrent_claims_share_no_record,
                    claim_one_takes_a_record_out_of_a_lease,
                    claim_one_takes_any_state,
                    the_numbers_of_leases_are_random,
                }
                damage {
                    a_damaged_value_is_told_and_never_compared,
                    a_damaged_record_is_mended_by_the_next_import,
                    a_sync_mends_what_an_attempt_under_way_was_told,
                    a_damaged_baseline_stays_told_until_it_is_accepted,
                    other_recorded_content_ends_a_damaged_baseline,
                }
                results {
                    successes_and_failures_are_written_whole,
                    a_late_result_is_thrown_away,
                    an_ended_lease_gives_back_the_rest,
                    a_result_before_a_failure_is_told_apart,
                    what_was_found_instead_is_kept_with_the_failure,
                }
                leases {
                    renewals_keep_a_lease_and_name_the_gone,
                    a_lease_without_progress_times_out,
                    a_worker_without_a_heartbeat_is_released,
                    a_dead_worker_is_no_finding_however_late_it_is_noticed,
                    a_lease_from_the_future_is_released,
                    what_finished_before_the_deadline_stays,
                }
                maintenance {
                    recalculate_is_what_the_domain_says,
                    recalculating_again_moves_on,
                    failed_records_are_retried_in_time,
                    only_the_models_asked_for_are_retried,
                    a_retry_from_the_future_is_due,
                    a_success_from_the_future_expires,
                    a_retry_below_a_lease_is_not_held_by_it,
                    old_successes_expire,
                    outstanding_counts_due_and_leased,
                    another_holder_is_told_with_its_time_left,
                }
                signals {
                    whatever_makes_work_is_signalled,
                    work_that_comes_back_is_signalled,
                    a_signal_between_two_waits_is_not_lost,
                    work_of_a_sync_is_signalled,
                    work_from_another_process_is_signalled,
                }
            }
            jobs {
                bulk {
                    a_job_over_a_state_goes_in_batches,
                    jobs_by_state_visit_each_record_once,
                    a_job_by_keys_marks_those_there_are,
                    what_is_switched_off_is_recalculated_only_if_it_is_meant,
                    a_job_keeps_its_filter,
                    a_job_over_started_records_ends,
                    a_cancelled_job_stays_half_done,
                    a_job_that_has_not_begun_is_not_kept_twice,
                    jobs_are_listed_newest_first,
                    two_advance_one_job_at_a_time,
                }
                marks {
                    a_mark_makes_a_whole_model_pending_in_one_step,
                    a_mark_on_no_records_is_finished,
                    marks_one_after_the_other_count_no_attempt,
                    a_cancelled_job_makes_no_mark,
                    what_is_verified_of_a_mark_is_listed_at_once,
                    one_storage_is_verified_before_the_other_is_begun,
                    results_of_a_lease_before_a_mark_are_void,
                    results_of_a_lease_after_a_mark_count_in_parts,
                    what_comes_back_during_a_mark_is_due_again,
                    a_mark_voids_what_is_held_since_the_last_one,
                    a_mark_comes_after_every_claim,
                    marked_records_are_due_from_the_mark_on,
                    marks_and_results_at_once_all_end,
                    a_mark_may_fall_into_many_ranges,
                    failed_records_beyond_counting_are_pending_in_a_few_steps,
                }
                marked {
                    what_failed_before_a_mark_is_told_until_it_is_read,
                    a_marked_record_differs_from_no_source,
                    the_oldest_success_may_be_of_a_marked_record,
                    an_acceptance_ends_a_mark,
                    a_report_ends_a_mark,
                    entries_during_a_mark_are_applied,
                    entries_during_a_mark_void_attempts_at_other_content,
                    a_sync_during_a_mark_is_applied,
                    records_by_themselves_end_a_mark,
                    batches_during_a_mark_see_what_is_pending,
                }
                random_marks {
                    random_changes_and_marks_agree,
                }
            }
            tokens {
                access {
                    a_token_is_kept_and_found,
                    names_are_unique_until_revoked,
                    of_two_at_once_one_gets_the_name,
                }
            }
            sessions {
                lifetimes {
                    a_session_is_kept_with_its_token,
                    a_session_ends_unused_and_at_last_in_any_case,
                    a_session_that_was_ended_stays_so,
                    only_what_is_over_is_deleted,
                    a_session_from_the_future_is_over,
                }
            }
            conditions {
                reports {
                    a_condition_keeps_its_beginning,
                    storages_come_before_processes_by_name_and_host,
                    a_host_ends_its_own_conditions_and_those_of_hosts_that_are_gone,
                    each_host_knows_its_own_storage,
                    what_is_mounted_below_a_storage_is_known_to_all_hosts,
                    what_workers_have_is_known_while_they_live,
                    what_workers_do_is_known_while_they_live,
                }
            }
            orphan_walks {
                walks {
                    a_walk_is_asked_for_once,
                    one_runner_walks_at_a_time,
                    a_walk_whose_runner_died_begins_anew,
                    what_was_found_is_listed_page_by_page,
                    what_is_unreferenced_is_listed_page_by_page,
                    only_the_last_walk_that_ended_well_is_kept,
                    a_cancelled_walk_is_nobodys_any_more,
                    a_walk_from_the_future_is_taken,
                }
            }
            sync_state {
                leader {
                    one_process_leads_at_a_time,
                    of_many_at_once_one_leads,
                    without_the_lease_nothing_changes,
                }
                batches {
                    states_come_back_in_the_order_of_the_models,
                    what_batches_add_and_change_is_counted_with_the_state,
                    a_refused_batch_keeps_no_state,
                    batches_add_change_and_leave,
                    batches_of_composite_keys_and_of_thousands,
                    a_later_change_recalculates_once,
                    a_change_waits_for_the_end_of_a_running_attempt,
                    a_changed_source_checksum_is_compared_anew,
                    a_sync_below_a_lease_is_not_held_by_it,
                    imports_and_syncs_at_once_all_end,
                }
                deletions {
                    records_without_a_row_go_within_the_range,
                    too_many_at_once_are_kept,
                    only_records_of_the_source_go,
                    a_whole_model_may_go,
                    ranges_of_composite_keys,
                    a_record_under_a_lease_may_go,
                    a_late_result_is_not_written_to_a_record_added_again,
                    deletions_and_results_at_once_all_end,
                }
            }
        }
    };
}

/// Makes a test of each case of the suite of `ContentStore`; the paths are as for [`database_contract!`], of a
/// [`ContentFixture`](crate::contract::ContentFixture).
#[macro_export]
macro_rules! content_contract {
    ($run:path, $fixture:path) => {
        $crate::contract_cases! { $run, $fixture;
            content {
                inspecting {
                    nothing_asked_for_is_nothing_reported,
                    each_is_reported_once_and_a_missing_one_stops_no_other,
                    the_same_content_is_seen_alike_by_many_at_once,
                    bytes_read_are_added_to_the_watch,
                    the_watch_is_told_in_which_storage_content_is_missing,
                    what_is_cancelled_before_it_begins_is_reported_so,
                    a_storage_that_is_there_can_be_probed,
                    a_look_tells_what_is_there_from_what_is_not,
                }
                listing {
                    the_listing_is_complete_and_in_the_byte_order_of_the_paths,
                    each_path_listed_can_be_inspected,
                    a_listing_that_is_dropped_half_way_disturbs_no_other,
                    nothing_can_be_measured_where_nothing_is,
                    the_address_is_that_of_a_folder,
                }
                unreferenced {
                    what_is_needed_is_not_told,
                    just_what_nothing_refers_to_is_told,
                    what_was_changed_too_lately_is_not_judged,
                }
            }
        }
    };
}

/// Makes a test of each case of the suite of `Source`; the paths are as for [`database_contract!`], of a
/// [`SourceFixture`](crate::contract::SourceFixture).
#[macro_export]
macro_rules! source_contract {
    ($run:path, $fixture:path) => {
        $crate::contract_cases! { $run, $fixture;
            source {
                pages {
                    the_survey_has_each_model_once_in_order,
                    pages_of_any_size_give_the_same_rows,
                    a_bound_need_not_be_a_row,
                }
                changes {
                    every_change_since_the_beginning_is_found_by_pages_of_any_size,
                    the_time_is_inclusive,
                }
                claims { there_is_one_answer_for_each_piece_in_order }
            }
        }
    };
}

/// Makes a test of each case of the suite of `Authority`; the paths are as for [`database_contract!`], of an
/// [`AuthorityFixture`](crate::contract::AuthorityFixture).
#[macro_export]
macro_rules! authority_contract {
    ($run:path, $fixture:path) => {
        $crate::contract_cases! { $run, $fixture;
            authority {
                tokens {
                    an_unknown_token_is_nobody,
                    an_administrator_is_the_same_each_time,
                }
            }
        }
    };
}

/// Makes a test of each of these cases: port, topic, names.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_cases {
    ($run:path, $fixture:path; $($port:ident { $($topic:ident { $($case:ident),+ $(,)? })+ })+) => {
        $(mod $port { $(mod $topic { $(
            #[test]
            fn $case() {
                $run(async { $crate::contract::$port::$topic::$case(&$fixture().await).await });
            }
        )+ })+ })+
    };
}
