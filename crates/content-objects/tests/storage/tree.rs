//! Objects as the files of a layout, alike in each service.

use futures_util::StreamExt as _;
use stocktake_content::tree::{FileTree as _, Name};
use stocktake_content_objects::{ObjectSettings, ObjectTree};
use stocktake_domain::ContentError;
use stocktake_testbed::{ObjectServer, ServerKind};

use crate::servers::settings_of;
use crate::support::pool;

/// More folders than a page holds.
const MANY: usize = 1_050;

fn name(name: &str, is_folder: bool) -> Name {
    Name { name: name.to_owned(), is_folder }
}

fn is_missing<T>(found: &Result<T, ContentError>) -> bool {
    matches!(found, Err(ContentError::MissingFile { .. }))
}

async fn is_read_as_files(kind: ServerKind) {
    let server = ObjectServer::start(kind).unwrap();
    let large: Vec<u8> = (0_u32..200_000).flat_map(u32::to_le_bytes).collect();
    for (key, content) in [
        ("root/a/b/one", &b"1"[..]),
        ("root/a/b/two", &large),
        ("root/a/b-c", b"22"),
        ("root/a/z", b""),
        ("root/a.b/x", b"x"),
        ("rooted", b"o"),
    ] {
        server.put(key, content, &[]).unwrap();
    }
    let settings = ObjectSettings { prefix: "root".to_owned(), ..settings_of(kind, &server) };
    let tree = ObjectTree::new(settings, pool()).unwrap();
    assert_eq!(tree.names("", 9).await, Ok(vec![name("a", true), name("a.b", true)]));
    let in_a = [name("b", true), name("b-c", false), name("z", false)];
    assert_eq!(tree.names("a", 9).await, Ok(in_a.to_vec()));
    assert_eq!(tree.names("a", 1).await.unwrap().len(), 1);
    assert!(is_missing(&tree.names("b", 9).await) && is_missing(&tree.names("a/z", 9).await));
    assert_eq!(tree.has_folder("a/b").await, Ok(true));
    assert_eq!((tree.has_folder("a/z").await, tree.has_folder("a/b/o").await), (Ok(false), Ok(false)));
    assert_eq!((tree.size("a/b-c").await, tree.size("a/z").await), (Ok(2), Ok(0)));
    assert_eq!(tree.read("a/b-c", 1).await.unwrap(), "2");
    assert_eq!(tree.read("a/z", 9).await.unwrap(), "");
    assert_eq!(tree.read("a/b/two", usize::MAX).await.unwrap(), large);
    let mut file = tree.open("a/b/two").await.unwrap();
    let mut read = Vec::new();
    while let Some(piece) = file.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert!(read == large, "{} bytes", read.len());
    assert!(is_missing(&tree.size("a/b").await) && is_missing(&tree.read("a/y", 9).await));
    assert!(is_missing(&tree.open("none").await.map(drop)));
    let files = tree.files("a").map(|found| found.map(|found| (found.path, found.size)));
    let expected = [("b-c", 2), ("b/one", 1), ("b/two", 800_000), ("z", 0)];
    let expected = expected.map(|(path, size)| Ok((path.to_owned(), Some(size))));
    assert_eq!(files.collect::<Vec<_>>().await, expected);
    for number in 0..MANY {
        server.put(&format!("root/many/{number:04}/x"), b"x", &[]).unwrap();
    }
    let many = tree.names("many", usize::MAX).await.unwrap();
    assert_eq!(many, (0..MANY).map(|number| name(&format!("{number:04}"), true)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_s3_are_read_as_files() {
    is_read_as_files(ServerKind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_azure_are_read_as_files() {
    is_read_as_files(ServerKind::Azure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_google_are_read_as_files() {
    is_read_as_files(ServerKind::Google).await;
}
