//! Recalculating one record while its caller waits.

use crate::support::{Installation, line};

const UPLOADS: &str = "/api/v4/admin/data_management/uploads";

on_both_databases! {
    fn one_record_is_recalculated_at_once(database) {
        let installation = Installation::new(database);
        let good = installation.file("good", 1, 1_000);
        let altered = installation.file("altered", 2, 1_000);
        installation.import("uploads", &[good.line(1), altered.line(2)]).success();
        // Without a worker in the process it is done all the same.
        let (service, api) = installation.serve_with(&["--no-worker"]);
        let record = api.put(&format!("{UPLOADS}/1/checksum")).ok();
        assert_eq!(record["checksum_information"]["checksum_state"], "succeeded");
        assert_eq!(record["checksum_information"]["checksum"], good.sha256.as_str());
        assert_eq!(record, api.record("uploads", 1));

        installation.file("altered", 3, 1_000);
        let answer = api.put(&format!("{UPLOADS}/2/checksum"));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.text, r#"{"message":"400 Bad request - Verifying uploads/2 failed."}"#);
        assert_eq!(api.record("uploads", 2)["checksum_information"]["checksum_state"], "failed");

        installation.file("altered", 2, 1_000);
        let record = api.put(&format!("{UPLOADS}/2/checksum")).ok();
        assert_eq!(record["checksum_information"]["checksum_state"], "succeeded");
        assert_eq!(record["checksum_information"]["checksum_retry_count"], 0);

        let answer = api.put(&format!("{UPLOADS}/3/checksum"));
        assert_eq!((answer.status, answer.text.as_str()), (404, r#"{"message":"404 3 Not Found"}"#));
        service.stop();
    }

    /// A reading that outlasts the deadline goes on in the background.
    fn a_long_recalculation_is_answered_before_it_ends(database) {
        let limits = "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1MB\"\n";
        let installation = Installation::with(database, limits);
        installation.configure_http("recalculation_deadline = \"1s\"");
        installation.file("large", 1, 2_500_000);
        installation.import("uploads", &[line(1, "large", "")]).success();
        let (service, api) = installation.serve_with(&["--no-worker"]);
        let record = api.put(&format!("{UPLOADS}/1/checksum")).ok();
        assert_eq!(record["checksum_information"]["checksum_state"], "started");
        api.settled("uploads");
        assert_eq!(api.record("uploads", 1)["checksum_information"]["checksum_state"], "succeeded");
        service.stop();
    }
}
