//! What can be done.

use actix_web::test::TestRequest;
use stocktake_domain::ports::{AcceptanceError, Jobs as _, Recalculated, StoreError};
use stocktake_domain::{Digest, JobScope, JobState, Model, Record, RecordKey, State, Status, Timestamp};

use crate::support::{ADMIN, World, altered, record};

fn good(record: Record) -> Record {
    let verification =
        record.status.clone().recalculate().accept(Digest::Md5([3; 16]), Timestamp::from_millis(5));
    Record { status: Status::Succeeded(verification), ..record }
}

#[actix_web::test]
async fn a_form_of_no_page_of_the_session_does_nothing() {
    let site = World::new().await.with([altered(Model::Uploads, 1)]).open();
    let (admin, other) = (site.signed_in(ADMIN).await, site.signed_in(ADMIN).await);
    let (own, foreign) = (admin.get("/console").await.form_value(), other.get("/console").await.form_value());
    // The mocks would panic if an action got as far as to them.
    for uri in [
        "/console/models/uploads/1/recalculate",
        "/console/models/uploads/1/accept",
        "/console/models/uploads/recalculate",
    ] {
        for fields in [&[][..], &[("csrf", "")], &[("csrf", "00")], &[("csrf", foreign.as_str())]] {
            let answer = admin.post(uri, fields).await;
            assert_eq!(answer.status, 403, "{uri} {fields:?}");
            answer.says("The form is not of a page of this session.");
        }
        for from in ["cross-site", "same-site"] {
            let form = TestRequest::post().uri(uri).insert_header(("Sec-Fetch-Site", from));
            let answer = admin.send(form.set_form([("csrf", own.as_str())])).await;
            assert_eq!(answer.status, 403, "{uri} {from}");
        }
    }
    let large = "x".repeat(70_000);
    assert_eq!(
        admin.post("/console/models/uploads/recalculate", &[("csrf", &own), ("x", &large)]).await.status,
        400
    );
}

#[actix_web::test]
async fn a_record_is_read_again_and_the_result_is_said() {
    let waiting = record(Model::Uploads, 1, "a");
    for (done, notice) in [
        (Some((good(waiting.clone()), true)), "good"),
        (Some((altered(Model::Uploads, 1), true)), "not-good"),
        (Some((waiting.clone(), true)), "waits"),
        (Some((waiting.clone(), false)), "goes-on"),
        (None, ""),
    ] {
        let mut world = World::new().await.with([altered(Model::Uploads, 1)]);
        world.recalculation.expect_recalculate_now().times(1).returning(move |model, key, _| {
            assert_eq!((model, key), (Model::Uploads, &RecordKey::integer(1)));
            Ok(done.clone().map(|(record, finished)| Recalculated { record, finished }))
        });
        let site = world.open();
        let admin = site.signed_in(ADMIN).await;
        let answer = admin.act("/console/models/uploads/1/recalculate", &[]).await;
        if notice.is_empty() {
            assert_eq!(answer.status, 404);
            continue;
        }
        assert_eq!(answer.leads_to(), format!("/console/models/uploads/1?notice={notice}"));
        admin.get(answer.leads_to()).await.says("class=\"note\" role=\"status\"");
    }
}

#[actix_web::test]
async fn content_is_accepted_or_it_is_said_why_not() {
    let mut world = World::new().await.with([altered(Model::Uploads, 1)]);
    let mut outcomes = vec![
        Err(AcceptanceError::Store(StoreError::Unavailable("no route".into()))),
        Err(AcceptanceError::Refused("the <disk> is gone".to_owned())),
        Ok(Some(good(record(Model::Uploads, 1, "a")))),
        Ok(None),
    ];
    world.acceptance.expect_accept_now().times(4).returning(move |_, _, _| outcomes.pop().unwrap());
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let accept = || admin.act("/console/models/uploads/1/accept", &[]);
    assert_eq!(accept().await.status, 404);
    assert_eq!(accept().await.leads_to(), "/console/models/uploads/1?notice=accepted");
    let refused = accept().await;
    assert_eq!(refused.status, 409);
    refused.says("The content was not accepted: the &lt;disk&gt; is gone");
    let away = accept().await;
    assert_eq!((away.status, away.header("Refresh")), (503, None));
    away.says("What you asked for was not done: go back, and ask again.");
    away.says_not("comes back by itself");
    let page = admin.get("/console/models/uploads/1").await;
    page.says("Accept content…");
    page.says("1111111111111111");
    page.says("2222222222222222");
}

#[actix_web::test]
async fn a_job_is_about_exactly_the_filter_on_the_page_and_can_be_cancelled() {
    let records = [altered(Model::Uploads, 1), altered(Model::Uploads, 2), record(Model::Uploads, 3, "c")];
    let world = World::new().await.with(records);
    let store = world.store.clone();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/models/uploads?state=failed&identifiers=1%2C3").await;
    page.says("1 of 3 records matches.");
    page.says("<button type=\"submit\">Recalculate 1 record</button>");
    page.says("<input type=\"hidden\" name=\"state\" value=\"failed\"><input type=\"hidden\" name=\"identifiers\" value=\"1,3\">");
    let fields = [("state", "failed"), ("identifiers", "1,3")];
    let answer = admin.act("/console/models/uploads/recalculate", &fields).await;
    assert_eq!(answer.leads_to(), "/console/jobs?notice=queued");
    let job = &store.open().await.unwrap()[0];
    let scope = JobScope { state: Some(State::Failed), key_count: Some(2), ..JobScope::default() };
    assert_eq!((&job.scope, job.model, job.requested_by.as_str()), (&scope, Model::Uploads, "admin"));

    let cancel = format!("/console/jobs/{}/cancel", job.id.0);
    let jobs = admin.get("/console/jobs?notice=queued").await;
    jobs.says("The job was queued.");
    jobs.says(&format!("action=\"{cancel}\""));
    let answer = admin.act(&cancel, &[]).await;
    assert_eq!(answer.leads_to(), "/console/jobs?notice=cancelled");
    assert_eq!(store.get(job.id).await.unwrap().unwrap().state, JobState::Cancelled);
    assert_eq!(admin.act("/console/jobs/99/cancel", &[]).await.status, 404);
    admin.get("/console/jobs").await.says("Cancelled");
}
