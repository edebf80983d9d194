//! What is read once, what is counted, and how reading is called off.

use std::fs;
use std::num::NonZeroU64;
use std::sync::Arc;

use stocktake_content_registry::{
    Integrity, RegistryDirectorySettings, RegistryLayoutSettings, RegistrySettings, RegistryStore,
};
use stocktake_domain::ContentError;
use stocktake_domain::contract::Recorder;
use stocktake_domain::ports::Watch;
use stocktake_testbed::{Fault, FaultProxy};

use crate::support::*;

#[tokio::test]
async fn what_repositories_share_is_read_once_in_a_run_and_again_in_the_next() {
    let registry = registry();
    let shared = content(2_000_000, 1);
    let mut own = 0;
    for number in 0..5 {
        let repository = format!("group/{number}");
        for tag in ["1.0", "2.0", "3.0"] {
            let image = registry.push_image(&repository, tag, true, &[&shared]).unwrap();
            own += [&image.manifest, &image.config]
                .map(|digest| registry.data(digest).metadata().unwrap().len())
                .iter()
                .sum::<u64>();
        }
    }
    let paths = ["group/0", "group/1", "group/2", "group/3", "group/4"];
    let proxy = FaultProxy::start(&registry.address().to_string(), |_| Fault::None).unwrap();
    let digest = stocktake_testbed::digest_of(&shared);
    let stores = [http(&proxy.url()), directory(registry.folder(), Integrity::Content)];
    for run in 1..=2 {
        for store in &stores {
            let seen = inspect_all(store, &paths).await;
            let read: u64 = seen.iter().map(|seen| seen.as_ref().unwrap().bytes_read).sum();
            assert_eq!(read, own + shared.len() as u64, "run {run}");
        }
        let asked = proxy.asked();
        let of_layer = |method: &str| {
            asked.iter().filter(|asked| asked.method == method && asked.target.ends_with(&digest)).count()
        };
        assert_eq!(of_layer("GET"), run);
        assert!(of_layer("HEAD") >= 4 * run, "the other repositories hold it as well");
    }
}

#[tokio::test]
async fn a_repository_looked_at_again_is_read_again() {
    let registry = registry();
    let image = registry.push_image("image", "1.0", true, &[&content(1_000, 1)]).unwrap();
    for (kind, store) in both(&registry, Integrity::Content) {
        assert!(inspect(&store, "image").await.is_ok(), "{kind}");
        let layer = registry.data(&image.layers[0]);
        let before = fs::read(&layer).unwrap();
        fs::write(&layer, content(1_000, 2)).unwrap();
        let text = reason(inspect(&store, "image").await);
        assert!(
            text.starts_with(&format!("layer {} of tag 1.0: content has ", image.layers[0])),
            "{kind}: {text}"
        );
        fs::write(&layer, before).unwrap();
        assert!(inspect(&store, "image").await.is_ok(), "{kind}");
    }
}

#[tokio::test]
async fn what_turned_out_altered_is_no_longer_good_for_other_repositories() {
    let registry = registry();
    let shared = content(1_000, 1);
    for repository in ["first", "third"] {
        registry.push_image(repository, "1.0", true, &[&shared]).unwrap();
    }
    let digest = stocktake_testbed::digest_of(&shared);
    let data = registry.data(&digest);
    for (kind, store) in both(&registry, Integrity::Content) {
        assert!(inspect(&store, "first").await.is_ok(), "{kind}");
        fs::write(&data, content(1_000, 2)).unwrap();
        for repository in ["first", "third"] {
            let text = reason(inspect(&store, repository).await);
            let start = format!("layer {digest} of tag 1.0: content has ");
            assert!(text.starts_with(&start), "{kind}: {repository}: {text}");
        }
        fs::write(&data, &shared).unwrap();
    }
}

#[tokio::test]
async fn reading_is_called_off_between_pieces_and_each_piece_is_reported() {
    let registry = registry();
    registry.push_image("image", "1.0", true, &[&content(4_000_000, 1)]).unwrap();
    let slow = NonZeroU64::new(1_000).unwrap();
    let over_http = RegistrySettings { bytes_per_second: Some(slow), ..settings(&registry.url()) };
    let in_directory = RegistryDirectorySettings {
        root: registry.folder().to_owned(),
        readers: over_http.requests,
        layout: RegistryLayoutSettings {
            bytes_per_second: Some(slow),
            integrity: Integrity::Content,
            database_url: None,
        },
    };
    let in_directory: Store = Arc::new(RegistryStore::of_directory(in_directory, &readers()).unwrap());
    for store in [open(over_http), in_directory] {
        let (watch, kept) = (Arc::new(Watch::default()), Recorder::new(9));
        let pieces = vec![piece("image", SHA256); 9];
        let reading = store.inspect(pieces, Arc::clone(&watch), kept.clone());
        let call_off = async {
            while watch.bytes() == 0 {
                tokio::task::yield_now().await;
            }
            watch.cancel();
        };
        tokio::join!(reading, call_off);
        assert_eq!(kept.all(), vec![Err(ContentError::CANCELLED); 9]);
        assert!(watch.bytes() < 4_000_000);
    }
}

#[tokio::test]
async fn a_registry_that_hangs_does_not_hold_us() {
    let registry = registry();
    let image = registry.push_image("image", "1.0", true, &[&content(100_000, 1)]).unwrap();
    let layer = image.layers[0].clone();
    let proxy = FaultProxy::start(&registry.address().to_string(), move |asked| {
        if asked.target.ends_with(&layer) { Fault::Hang { after: 50_000 } } else { Fault::None }
    });
    let proxy = proxy.unwrap();
    let (store, watch, kept) = (http(&proxy.url()), Arc::new(Watch::default()), Recorder::new(1));
    let reading = store.inspect(vec![piece("image", SHA256)], Arc::clone(&watch), kept.clone());
    let call_off = async {
        while watch.bytes() < 50_000 {
            tokio::task::yield_now().await;
        }
        watch.cancel();
    };
    tokio::join!(reading, call_off);
    assert_eq!(kept.all(), [Err(ContentError::CANCELLED)]);
}
