//! Bulk recalculation.

use serde_json::Value;

use crate::support::{Installation, eventually};

const UPLOADS: &str = "/api/v4/admin/data_management/uploads";
const ENQUEUED: &str = r#"{"status":"success","message":"Batch update job has been successfully enqueued."}"#;

on_both_databases! {
    fn a_bulk_recalculation_checks_the_selection_again(database) {
        let installation = Installation::new(database);
        let files = installation.files(30);
        installation.import_files("uploads", &files);
        let (service, api) = installation.serve();
        api.settled("uploads");
        let last = |key: u64| api.record("uploads", key)["checksum_information"]["last_checksum"].clone();
        let (first, untouched) = (last(1), last(3));

        let answer = api.put(&format!("{UPLOADS}/checksum?identifiers[]=1&identifiers[]=2"));
        assert_eq!((answer.status, answer.text.as_str()), (200, ENQUEUED));
        let job = eventually("the job is finished", || {
            let jobs = api.get("/api/v1/jobs").ok();
            let job = jobs[0].clone();
            (job["state"] == "finished").then_some(job)
        });
        assert_eq!(job["marked"], 2);
        assert_eq!(job["model_name"], "uploads");
        assert_eq!(job["requested_by"], "test-administrator");
        eventually("both are checked again", || (last(1) != first).then_some(()));
        api.settled("uploads");
        assert_eq!(last(3), untouched);
        assert_eq!(api.count("uploads", "succeeded"), 30);

        let id = &job["id"];
        assert_eq!(api.get(&format!("/api/v1/jobs/{id}")).ok(), job);
        // One that is over stays as it is.
        assert_eq!(api.delete(&format!("/api/v1/jobs/{id}")).ok(), job);
        assert_eq!(api.delete("/api/v1/jobs/999999").status, 404);
        service.stop();
    }

    /// A job whose service was killed goes on with the next one; with the state filter, only such records.
    fn a_job_survives_a_restart(database) {
        let installation = Installation::new(database);
        let files = installation.files(12);
        installation.import_files("uploads", &files);
        installation.run(&["verify"]).success();
        std::fs::remove_file(installation.path(&files[4].path)).unwrap();
        assert_eq!(installation.run(&["verify", "--all"]).code, 1);
        installation.file(&files[4].path, 5, files[4].size);

        let (service, api) = installation.serve_with(&["--no-worker"]);
        assert_eq!(api.put(&format!("{UPLOADS}/checksum?checksum_state=failed")).text, ENQUEUED);
        service.kill();
        let (service, api) = installation.serve();
        eventually("the failed record is good again", || (api.count("uploads", "succeeded") == 12).then_some(()));
        let summary = eventually("no job is under way", || {
            let summary = api.get("/api/v1/summary").ok();
            (summary["jobs"] == Value::from(Vec::<Value>::new())).then_some(summary)
        });
        assert_eq!(summary["models"][0]["model_name"], "uploads");
        let jobs = api.get("/api/v1/jobs").ok();
        assert_eq!(jobs[0]["checksum_state"], "failed");
        assert_eq!(jobs[0]["marked"], 1);
        service.stop();
    }
}
