//! The filters that choose records, the same as those of the command line.

use std::time::Duration;

use stocktake_domain::{FailureKind, PathGlob, RecordFilter, Timestamp, parse_duration};
use utoipa::IntoParams;

use crate::error::ParamError;
use crate::schema::FailureKindName;
use crate::validation::Checker;

/// Which records; all that is given must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct RecordParameters {
    /// Only records that were found so when they were last read, also while they are read again. Several are separated by
    /// commas.
    #[param(style = Form, explode = false, inline)]
    kind: Option<Vec<FailureKindName>>,
    /// Only records in these storages, separated by commas.
    #[param(style = Form, explode = false)]
    storage: Option<Vec<String>>,
    /// Only records with such a path: `*` and `?` stay within a folder, `**` goes across, `[a-z]` is one of a set.
    #[param(example = "docs/**")]
    path: Option<String>,
    /// Only records of this project or group, and of those below it.
    owner: Option<String>,
    /// Only records last read since then: a time, a day, or how long ago it was.
    #[param(example = "2d")]
    since: Option<String>,
    /// Only records last read longer ago than this, or never.
    #[param(example = "30d")]
    older_than: Option<String>,
}

/// The filter of these parameters, as it is at this time.
pub(crate) fn filter(checker: &mut Checker<'_>, now: Timestamp) -> RecordFilter {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let kinds = checker.choice("kind", |text| text.split(',').map(kind).collect::<Option<Vec<_>>>());
    let storages = text(checker, "storage").map(list);
    let path = checker.choice("path", |text| text.parse::<PathGlob>().ok().filter(|_| !text.contains('\0')));
    let owner = text(checker, "owner").map(str::to_owned);
    let since = checker.choice("since", |text| moment(text, now));
    let age = checker.choice("older_than", parse_duration);
    RecordFilter {
        kinds: kinds.unwrap_or_default(),
        storages: storages.unwrap_or_default(),
        path,
        text: None,
        owner,
        since,
        before: age.map(|age| now.before(age)),
    }
}

/// A text that the database can compare with.
fn text<'a>(checker: &mut Checker<'a>, name: &'static str) -> Option<&'a str> {
    let text = checker.text(name).filter(|text| !text.is_empty())?;
    if text.contains('\0') {
        checker.refuse(name, ParamError::Value);
        return None;
    }
    Some(text)
}

fn kind(name: &str) -> Option<FailureKind> {
    FailureKind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let at =
        Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")));
    at.or_else(|| parse_duration(text).map(|ago: Duration| now.before(ago)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn read(query: &str) -> Result<RecordFilter, String> {
        let parameters = Parameters::from_urlencoded(query.as_bytes()).unwrap();
        let mut checker = Checker::new(&parameters);
        let filter = filter(&mut checker, NOW);
        checker.finish(Some(filter)).map_err(|error| error.to_string())
    }

    #[test]
    fn all_that_is_given_is_in_the_filter() {
        assert_eq!(read(""), Ok(RecordFilter::default()));
        assert_eq!(read("storage=&owner="), Ok(RecordFilter::default()));
        let all = "kind=missing,timed_out&storage=a,b&path=x/**&owner=group&since=10s&older_than=1m";
        let filter = RecordFilter {
            kinds: vec![FailureKind::Missing, FailureKind::TimedOut],
            storages: vec!["a".to_owned(), "b".to_owned()],
            path: Some("x/**".parse().unwrap()),
            text: None,
            owner: Some("group".to_owned()),
            since: Some(Timestamp::from_millis(999_990_000)),
            before: Some(Timestamp::from_millis(999_940_000)),
        };
        assert_eq!(read(all), Ok(filter));
        let day = Timestamp::parse_rfc3339("2026-11-20T00:00:00Z");
        assert_eq!(read("since=2026-11-20").unwrap().since, day);
        assert_eq!(read("since=2026-11-20T00:00:00Z").unwrap().since, day);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for wrong in [
            "kind=gone",
            "kind=missing,",
            "path=a[",
            "path=%00",
            "storage=a%00",
            "owner=%00",
            "since=soon",
            "older_than=1y",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
