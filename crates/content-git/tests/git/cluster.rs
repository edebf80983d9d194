//! The store of a Gitaly Cluster, with real repositories on three nodes and a database of Praefect's.

use std::collections::BTreeMap;
use std::sync::Arc;

use stocktake_content_git::{ClusterSettings, ClusterStore};
use stocktake_domain::contract::{ContentFixture, Recorder};
use stocktake_domain::ports::{ContentStore, Inspection, Watch};
use stocktake_domain::{ContentError, Evidence, Model, NotJudged};
use stocktake_testbed::{GitRepository, Praefect, postgres};

use crate::run;
use crate::support::{ALL, Fixture, PLAIN};

const NODES: [&str; 3] = ["g1", "g2", "g3"];

/// Three nodes, and what Praefect knows of them.
struct Cluster {
    praefect: Praefect,
    nodes: [Fixture; 3],
    store: Arc<ClusterStore>,
}

impl Cluster {
    fn new() -> Self {
        let praefect = Praefect::create(&postgres().create_database().unwrap(), "default").unwrap();
        let nodes = NODES.map(|_| Fixture::new());
        let stores = nodes.iter().map(|node| -> Arc<dyn ContentStore> { node.store.clone() });
        let stores: BTreeMap<_, _> = NODES.map(str::to_owned).into_iter().zip(stores).collect();
        let settings = ClusterSettings {
            praefect_database_url: praefect.url.as_str().into(),
            virtual_storage: "default".to_owned(),
        };
        let store = Arc::new(ClusterStore::new(settings, stores).unwrap());
        Self { praefect, nodes, store }
    }

    /// A repository with the same commits on all nodes.
    fn fill(&self, id: u64, path: &str) -> [GitRepository; 3] {
        let replica = self.praefect.add(id, path, &NODES.map(|node| (node, 1)), &[]).unwrap();
        self.nodes.each_ref().map(|node| {
            let repository = node.create(&replica, PLAIN);
            repository.import("main", 3, id).unwrap();
            repository
        })
    }

    async fn see(&self, model: Model, path: &str) -> crate::support::Seen {
        let recorder = Recorder::new(1);
        let piece = Inspection::new(model, path, ALL);
        self.store.inspect(vec![piece], Arc::default(), recorder.clone()).await;
        recorder.all().remove(0)
    }

    fn sql(&self, statement: &str) {
        postgres().sql(&self.praefect.url, statement).unwrap();
    }
}

async fn replicated() -> ContentFixture {
    let cluster = Cluster::new();
    let present = ["@hashed/b.git", "@hashed/a.git", "z.git"].map(str::to_owned).to_vec();
    for (id, path) in (1..).zip(&present) {
        cluster.fill(id, path);
    }
    ContentFixture {
        store: cluster.store.clone(),
        model: Model::Projects,
        present,
        absent: "@hashed/none.git".to_owned(),
        abandon: None,
        keep: Box::new(cluster),
    }
}

stocktake_domain::content_contract!(crate::run, crate::cluster::replicated);

#[test]
fn what_praefect_does_not_know_is_not_there() {
    run(async {
        let cluster = Cluster::new();
        let wiki = cluster.see(Model::ProjectsWikiRepositories, "@hashed/a.wiki.git").await.unwrap();
        assert_eq!(wiki.evidence, Evidence::Absence);
        let project = cluster.see(Model::Projects, "@hashed/a.git").await;
        assert_eq!(project, Err(ContentError::MissingRepository));
        // If Praefect knows it, a wiki must be there as well.
        let [_, lost, _] = cluster.fill(1, "@hashed/a.wiki.git");
        std::fs::remove_dir_all(lost.path()).unwrap();
        let wiki = cluster.see(Model::ProjectsWikiRepositories, "@hashed/a.wiki.git").await.unwrap_err();
        assert_eq!(wiki, ContentError::MissingPart("the replica on g2 is missing".to_owned()));
    });
}

#[test]
fn replicas_differ_only_if_they_are_of_the_same_generation() {
    run(async {
        let cluster = Cluster::new();
        let [_, _, third] = cluster.fill(1, "@hashed/a.git");
        cluster.see(Model::Projects, "@hashed/a.git").await.unwrap();
        third.git(&["update-ref", "refs/heads/main", "refs/heads/main~1"]).unwrap();
        let text = async || cluster.see(Model::Projects, "@hashed/a.git").await.unwrap_err().to_string();
        assert_eq!(text().await, "the replica on g3 has other refs than the one on g1 and g2");
        cluster.sql("UPDATE storage_repositories SET generation = 2 WHERE storage <> 'g3'");
        assert_eq!(text().await, "the replica on g3 is behind: it has generation 1, the newest is 2");
        cluster.sql("INSERT INTO repository_assignments SELECT virtual_storage, relative_path, storage, repository_id \
                     FROM storage_repositories WHERE storage <> 'g3'");
        cluster.see(Model::Projects, "@hashed/a.git").await.unwrap();
    });
}

#[test]
fn without_praefect_or_a_node_nothing_is_said() {
    run(async {
        let cluster = Cluster::new();
        let [repository, ..] = cluster.fill(1, "@hashed/a.git");
        let root = cluster.nodes[0].root.clone();
        std::fs::rename(&root, root.with_extension("away")).unwrap();
        let Err(NotJudged::Storage(why)) = cluster.store.probe().await else { panic!("it is there") };
        assert!(why.starts_with("the replicas on g1: "), "{why}");
        let seen = cluster.see(Model::Projects, "@hashed/a.git").await;
        assert!(matches!(seen, Err(ContentError::NotJudged(_))), "{seen:?}");
        std::fs::rename(root.with_extension("away"), &root).unwrap();
        cluster.see(Model::Projects, "@hashed/a.git").await.unwrap();
        assert!(cluster.store.measure("@hashed/a.git").await.unwrap().size > 0 && repository.path().is_dir());
        cluster.sql("ALTER TABLE storage_repositories RENAME TO others");
        let Err(NotJudged::Storage(why)) = cluster.store.probe().await else { panic!("it is there") };
        assert!(why.starts_with("Praefect's database "), "{why}");
        let seen = cluster.see(Model::Projects, "@hashed/a.git").await;
        assert!(matches!(seen, Err(ContentError::NotJudged(NotJudged::Storage(_)))), "{seen:?}");
        let watch = Arc::new(Watch::default());
        watch.cancel();
        let recorder = Recorder::new(1);
        let piece = Inspection::new(Model::Projects, "@hashed/a.git", ALL);
        cluster.store.inspect(vec![piece], watch, recorder.clone()).await;
        assert_eq!(recorder.all(), [Err(ContentError::CANCELLED)]);
    });
}
