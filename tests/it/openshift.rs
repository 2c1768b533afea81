//! Cases of OpenShift's own tests, under the names that they have there.
//!
//! The second column names the test: it is in this module if it starts with `test_`. The third column says where
//! pinstream deliberately behaves differently.
//!
//! openshift/openshift-apiserver, `importer_test.go`, `image_test.go`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestImportNothing | `test_import_nothing` | |
//! | TestImport, insecure import policy | `test_import_insecure_import_policy` | set per host, not per tag |
//! | TestImport, missing tag, digest, and invalid reference | `test_import_missing_tag_digest_and_invalid_image_reference` | an invalid reference is an error in the commit, reported before any request |
//! | TestImport, other kinds are no-ops | `every_field_is_converted_or_noted` | a tag has an image, a repository or a followed tag; `adopt` names the others |
//! | TestImport, failed repository import | `a_failing_tag_list_fails_only_its_tags` | |
//! | TestImport, successful import by tag and digest | `test_import_successful_import_by_tag_and_digest` | |
//! | TestImport, successful import by tag | `the_story_works_with_an_open_registry` | the size is not stored |
//! | TestImport, repository with additional tags | `test_import_repository_with_additional_tags` | the stream sets the limit |
//! | TestImport, repository with additional tags | `without_a_rule_all_tags_fit_in_their_usual_order` | |
//! | TestImportFromMirror, by digest from mirrored repo | `test_import_from_mirror_by_digest_from_mirrored_repo` | a mirror serves tags too |
//! | TestImportFromMirror, by digest from another repo | `test_import_from_mirror_by_digest_from_another_repo` | |
//! | TestImportFromMirror, source blocked | `test_import_from_mirror_source_blocked` | an image that the policy forbids is not fetched from a mirror either |
//! | TestSchema1ToImage | `a_tag_with_an_unsupported_manifest_keeps_its_pin` | schema 1 is refused and named |
//! | TestImageStreamImportQuayIO, RedHatRegistry | `a_transient_failure_is_retried` | tests use no other machine |
//!
//! openshift/openshift-apiserver, `importer_manifestlist_test.go`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestImportManifestListWithError, missingManifestErrorByDigest | `test_import_manifest_list_with_error_missing_manifest_error_by_digest` | one child of an index is read |
//! | TestImportManifestListWithError, missingConfigBlobErrorByDigest | `test_import_manifest_list_with_error_missing_config_blob_error_by_digest` | an image with a manifest is pinned, with a note |
//! | TestImportManifestList, ImportRepository | `test_import_manifest_list_import_repository` | one child is read, not each |
//! | TestImportManifestList, ImportByTag | `test_import_manifest_list_import_by_tag` | HEAD first |
//! | TestImportManifestList, ImportByDigest | `test_import_manifest_list_import_by_digest` | |
//! | TestImportManifestList, ImportTwoImagesBySameDigest | `test_import_manifest_list_import_two_images_by_same_digest` | |
//! | TestImportManifestListSingleManifest | `test_import_manifest_list_single_manifest` | the index unless `platform` names one child |
//! | TestManifestListToImageConversion | `t12_bytes_that_do_not_match_their_digest_are_rejected` | |
//! | TestManifestListToImageConversion | `images_and_indexes_of_both_families_are_parsed` | |
//!
//! openshift/openshift-apiserver, `imagestreamimport/rest_test.go`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestImportSuccessful, reference differs | `test_import_successful_reference_differs` | |
//! | TestImportSuccessful, image differs | `test_import_successful_image_differs` | |
//! | TestImportSuccessful, empty status | `test_import_successful_empty_status` | |
//! | TestImportSuccessful, only generation differ | `test_import_successful_only_generation_differs` | |
//! | TestImportSuccessfulWithSubmanifests | `test_import_successful_with_submanifests` | |
//! | TestCreateImages | `test_create_images` | |
//!
//! openshift/openshift-apiserver, `imageutil/helpers_test.go`, `imagestream/strategy_test.go`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestAddTagEventToImageStream | `test_add_tag_event_to_image_stream` | another image never replaces the previous one |
//! | TestUpdateTrackingTags | `test_update_tracking_tags` | tags of other streams are followed too |
//! | TestResolveImageID | `test_resolve_image_id` | |
//! | TestResolveImageID, multiple match | `a_digest_of_a_stream_is_named_by_prefix` | |
//! | TestTagsChanged, no tags, no-op | `test_import_nothing` | |
//! | TestTagsChanged, single update | `test_tags_changed_single_tag_update_preserves_history` | |
//! | TestTagsChanged, referenced tag should react | `test_tags_changed_tag_changes_and_referenced_tag_should_react` | |
//! | TestTagsChanged, empty tag | `names_of_tags_and_words_of_the_user_are_checked` | an error, not ignored |
//! | TestTagsChanged, missing target | `test_follow_tag_reference_missing` | an error, not ignored |
//! | TestTagsChanged, new tag, istag of this and another stream | `a_tag_is_copied_at_its_digest_or_followed_with_alias` | the copy has no history |
//! | TestTagsChanged, isimage, bad digest | `a_digest_of_a_stream_is_named_by_prefix` | |
//! | TestTagRefChanged | `test_tag_ref_changed` | |
//! | TestLatestTaggedImage, TestResolveLatestTaggedImage | `a_short_name_is_reported_with_the_full_one` | a tag is never implied |
//! | TestLatestTaggedImage, TestResolveLatestTaggedImage | `an_unknown_or_unpinned_tag_prints_nothing_to_stdout` | |
//! | TestTagVerifier | `an_unreadable_remote_fails_only_its_tags` | read access to a repository is sufficient |
//! | TestLimitVerifier | `t6_more_tags_than_the_cap_are_refused_by_name` | a limit of the root |
//! | ADD (no upstream test), three hops in one run | `test_three_hops_change_in_one_run` | |
//! | ADD (no upstream test), three hops in one run | `followers_over_several_hops_are_pinned_in_one_pass` | |
//! | ADD (no upstream test), five hops across streams | `a_chain_of_five_hops_across_streams_changes_in_one_pass` | |
//! | ADD (no upstream test), an ambiguous prefix always errors | `an_ambiguous_prefix_lists_the_matches` | |
//! | ADD (no upstream test), an ambiguous prefix always errors | `a_digest_of_a_stream_is_named_by_prefix` | |
//! | ADD (no upstream test), a re-run does not change the import mode | `test_a_run_again_keeps_the_import_mode` | |
//!
//! openshift/oc, `helpers/image`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestFollowTagReference, follow | `test_follow_tag_reference_follow` | |
//! | TestFollowTagReference, `is:tag` form | `test_follow_tag_reference_image_stream_tag_form` | |
//! | TestFollowTagReference, missing | `test_follow_tag_reference_missing` | |
//! | TestFollowTagReference, cross stream | `test_follow_tag_reference_cross_stream` | follows it; an error if it is not defined |
//! | TestFollowTagReference, cross namespace | `test_follow_tag_reference_cross_namespace` | the same |
//! | TestFollowTagReference, circular | `test_follow_tag_reference_circular` | |
//!
//! openshift/openshift-apiserver, `validation_test.go`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestValidateImageStream, names | `test_validate_image_stream` | |
//! | TestValidateImageStream, missing and invalid name | `an_invalid_file_name_is_reported_with_a_valid_one` | |
//! | TestValidateImageStream, repository with tag or ID | `selection_rules_are_checked` | |
//! | TestValidateImageStream, bad referencePolicy | `errors_for_options_of_oc_name_the_alternative` | there is no such setting: a pin names the source |
//! | TestValidateImageStream, ImageStreamTags scheduled | `keys_of_the_followed_tag_are_rejected_at_the_follower` | |
//! | TestValidateImageStream, IDs, ImageStreamImages scheduled | `platforms_and_schedules_that_make_no_sense_are_refused` | |
//! | TestValidateImageStream, importMode | `platforms_and_schedules_that_make_no_sense_are_refused` | `platform` replaces it |
//! | Whitelister | `registries_are_held_against_host_and_port` | no pin is an exception |
//! | Whitelister | `a_forbidden_registry_receives_no_request` | |
//!
//! openshift/openshift-controller-manager, `controller/*_test.go`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestHandleImageStream | `test_handle_image_stream` | |
//! | TestHandleImageStream, references, unknown kind | `every_field_is_converted_or_noted` | `adopt` names them |
//! | TestHandleImageStream, failed, equal generation | `a_tag_that_failed_stays_due` | each pass tries again |
//! | TestScheduledImport | `due_tags_follow_from_schedules_and_the_last_pass` | |
//! | TestSchedulingChecks | `test_scheduling_checks` | |
//! | TestScheduler | `test_scheduler` | |
//! | TestScheduler, AddAndDelay | `test_scheduler_add_and_delay` | a manual import does not delay scheduled ones |
//! | TestScheduler, Remove | `test_scheduler_remove` | |
//! | TestScheduler, Sanity | `test_scheduler_sanity` | |
//!
//! openshift/origin, `test/integration/imageimporter_test.go`, `test/extended/images`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestImageStreamImport | `test_image_stream_import` | |
//! | TestImageStreamImportAuthenticated | `test_image_stream_import_authenticated` | |
//! | TestImageStreamImportTagsFromRepository | `test_image_stream_import_tags_from_repository` | |
//! | TestImageStreamImportScheduled | `test_image_stream_import_scheduled` | a failure is in the report, not in the branch |
//! | OfV1ImageFromV2Repository | `t13_schema_1_and_foreign_types_are_unsupported` | refused |
//! | OfMultiSegmentDockerReference | `test_image_stream_import_of_multi_segment_docker_reference` | |
//! | imagestreamimport.go, insecure registry | `test_import_insecure_import_policy` | |
//! | imagestreamimport.go, insecure registry | `t18_a_wrong_authority_is_a_tls_failure_before_any_secret_is_sent` | |
//! | imagestreamimport.go, blocked registry | `a_forbidden_registry_receives_no_request` | |
//! | oc_tag.go, external reference preserved | `a_tag_is_copied_at_its_digest_or_followed_with_alias` | |
//!
//! openshift/library-go, `trigger/annotations_test.go`; openshift/openshift-controller-manager, `trigger`:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestAnnotationsReactor, paths and containers | – | hooks name tags, not places in objects |
//! | TestAnnotationsReactor, unresolved, one of two resolves | `test_deployment_config_reactor_a_failing_tag_delays_no_other` | |
//! | TestAnnotationsReactor, already resolved stays | `test_build_config_reactor_the_same_image_does_not_fire` | |
//! | TestAnnotationsReactor, two triggers of one source | `test_build_config_reactor_two_triggers_of_one_image_fire_once` | |
//! | TestAnnotationsReactor, paused | `test_build_config_reactor_paused` | a hook is removed; added again, it receives what it missed |
//! | TestBuildConfigReactor, paused | `test_build_config_reactor_paused` | |
//! | TestBuildConfigReactor, paused | `a_forbidden_hook_does_not_run_and_stays_pending` | |
//! | TestBuildConfigReactor, same image | `test_build_config_reactor_the_same_image_does_not_fire` | |
//! | TestBuildConfigReactor, two identical triggers | `test_build_config_reactor_two_triggers_of_one_image_fire_once` | |
//! | TestDeploymentConfigReactor, one batch | `test_deployment_config_reactor_all_changes_are_one_batch` | |
//! | TestDeploymentConfigReactor, all or nothing | `test_deployment_config_reactor_a_failing_tag_delays_no_other` | hooks receive what landed |
//!
//! openshift/oc, command line; openshift/library-go:
//!
//! | case | test | here |
//! | --- | --- | --- |
//! | TestTag, across namespaces and streams | `a_tag_is_copied_at_its_digest_or_followed_with_alias` | an alias to another stream follows it |
//! | TestTag, TestRunTag, refusals | `invalid_definitions_are_not_written` | |
//! | TestTag, can delete invalid name | `tags_are_deleted_even_with_invalid_names` | |
//! | TestRunTag_AddImportMode | `an_image_is_tracked_and_pinned_by_update` | `--platform` replaces it |
//! | TestRunTag_AddImportMode | `errors_for_options_of_oc_name_the_alternative` | |
//! | TestCreateImageImport, `--confirm`, different `--from` | `an_image_is_tracked_and_pinned_by_update` | `tag` defines, `update` resolves; neither guesses |
//! | TestCreateImageImport, aliases | `a_named_follower_resolves_the_image_at_the_end_of_its_chain` | |
//! | TestCreateImageImport, unknown stream or tag | `an_unknown_tag_changes_nothing_and_gets_a_suggestion` | |
//! | TestCreateImageImport, one tag | `only_named_tags_are_updated` | |
//! | TestCreateImageImport, insecure, scheduled kept | `test_a_run_again_keeps_the_import_mode` | an import never edits a definition |
//! | TestWasError | `the_exit_code_in_a_report_is_that_of_the_process` | |
//! | TestFormatImageStreamTags | `a_stream_is_described_like_in_oc` | |
//! | TestPrioritizeTags | `tags_stand_in_the_order_of_openshift` | |
//! | TestParse | `short_names_are_completed_as_by_docker_and_openshift` | |
//! | TestParse | `images_are_read_as_written` | |
//! | TestResolvePullSpecForTag | `one_reference_is_printed_for_scripts` | nothing is pushed to a stream |
//! | TestPing | `an_open_registry_costs_one_request_per_tag_and_no_ping` | |
//! | TestShouldRetry, TestRetryFailure | `t19_status_matrix` | |
//! | TestShouldRetry, TestRetryFailure | `all_requests_wait_for_retry_after` | |
//! | TestMirroredRegistry_* | `mirrors_are_tried_in_order_before_the_registry` | the source's failure is reported, those of mirrors with `-v` |
//! | TestMirroredRegistry_*, invalid manifest | `test_mirrored_registry_invalid_manifest` | |

mod follow;
mod import;
mod integration;
mod list;
mod mirror;
mod rest;
mod schedule;
mod trigger;
mod validate;

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::reconcile::stage::Stage;
use crate::support::registry::Image;
use crate::support::source::files;

/// Digest of the image that [`Stage::push`] makes from a seed.
fn digest(seed: u64) -> String {
    Image::new(seed).version(&format!("1.0.{seed}")).digest().to_string()
}

/// Reads a pin of the lock without code of the program.
#[track_caller]
fn pin(stage: &Stage, name: &str) -> Table {
    let lock: Table = stage.lock().parse().unwrap();
    let (stream, tag) = name.split_once(':').unwrap();
    let mut pins = lock["pin"].as_array().unwrap().iter().filter_map(Value::as_table);
    pins.find(|pin| pin["stream"].as_str() == Some(stream) && pin["tag"].as_str() == Some(tag)).unwrap().clone()
}

/// Image that a tag is pinned for.
#[track_caller]
fn at(stage: &Stage, name: &str) -> String {
    pin(stage, name)["image"].as_str().unwrap().to_owned()
}

/// Seeds of the current and previous digests of a tag, newest first.
#[track_caller]
fn history(stage: &Stage, name: &str) -> String {
    let pin = pin(stage, name);
    let earlier = pin.get("previous").and_then(Value::as_array).into_iter().flatten();
    let seed = |found: &Value| (1..10).find(|seed| found.as_str() == Some(&digest(*seed))).unwrap().to_string();
    std::iter::once(&pin["digest"]).chain(earlier).map(seed).collect::<Vec<_>>().join(" ")
}

/// Checks that a pass without upstream changes succeeds and writes nothing.
#[track_caller]
fn settles(stage: &Stage) {
    let refs = stage.repo.git(&["for-each-ref"]);
    stage.ends(0, &[]);
    assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
}

/// Cells of the tables above, row by row: case, test, remark.
fn table() -> Vec<[&'static str; 3]> {
    let rows = include_str!("openshift.rs").lines().filter_map(|line| line.strip_prefix("//! |")?.strip_suffix('|'));
    let cells = |row: &'static str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        <[&str; 3]>::try_from(cells).unwrap_or_else(|_| panic!("{row}"))
    };
    rows.map(cells).filter(|cells| *cells != ["case", "test", "here"] && !cells[0].starts_with("---")).collect()
}

/// Names of all tests in `text`.
fn tests(text: &str) -> Vec<&str> {
    let after = |(at, _): (usize, _)| {
        text[at..].lines().find_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next())
    };
    text.match_indices("#[test]").filter_map(after).collect()
}

#[test]
fn the_table_names_tests_that_there_are_and_all_that_are_here() {
    let sources = [files("src"), files("tests")].concat();
    let all: Vec<&str> = sources.iter().flat_map(|(_, text)| tests(text)).collect();
    let count = |name: &str| all.iter().filter(|known| **known == name).count();
    let rows = table();
    assert!(rows.len() > 100, "{rows:?}");
    for [case, test, remark] in &rows {
        match test.strip_prefix('`').and_then(|test| test.strip_suffix('`')) {
            Some(name) => assert!(count(name) > 0, "{case}: `{name}`"),
            None => assert!(*test == "–" && !remark.is_empty(), "{case}: {test}"),
        }
    }
    let named: BTreeSet<&str> = rows.iter().map(|[_, test, _]| test.trim_matches('`')).collect();
    let here = sources.iter().filter(|(path, _)| path.starts_with("tests/it/openshift/"));
    let unnamed: Vec<&str> = here.flat_map(|(_, text)| tests(text)).filter(|name| !named.contains(name)).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
    // A name that is not a test is caught.
    assert_eq!((count("no_test_has_this_name"), count("table"), count("test_import_nothing")), (0, 0, 1));
}
