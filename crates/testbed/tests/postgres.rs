//! The clusters are really there, and really gone afterwards.

use stocktake_testbed::{PgCluster, postgres};

fn select(cluster: &PgCluster, url: &str, sql: &str) -> Option<String> {
    cluster.sql(url, sql).ok()
}

#[test]
fn databases_are_empty_and_apart() {
    let cluster = postgres();
    let (first, second) = (cluster.create_database().unwrap(), cluster.create_database().unwrap());
    assert_ne!(first, second);
    select(cluster, &first, "create table only_here (id int)").unwrap();
    assert_eq!(select(cluster, &second, "select to_regclass('only_here') is null").as_deref(), Some("t"));
}

#[test]
fn a_copy_has_what_the_original_had_then() {
    let cluster = postgres();
    let original = cluster.create_database().unwrap();
    cluster.sql(&original, "create table kept as select 1 as x").unwrap();
    let copy = cluster.copy_database(&original).unwrap();
    cluster.sql(&original, "drop table kept").unwrap();
    assert_eq!(cluster.sql(&copy, "select x, 2 from kept").unwrap(), "1|2");
}

#[test]
fn a_wrong_password_is_refused() {
    let cluster = PgCluster::start().unwrap();
    let wrong = cluster.url("postgres").replacen("stocktake:", "stocktake:wrong", 1);
    assert_eq!(select(&cluster, &wrong, "select 1"), None);
}

#[test]
fn defaults_are_durable_and_tests_are_not() {
    let durable = PgCluster::start_with(&[("work_mem", "5MB")]).unwrap();
    let url = durable.url("postgres");
    assert_eq!(select(&durable, &url, "show fsync").as_deref(), Some("on"));
    assert_eq!(select(&durable, &url, "show work_mem").as_deref(), Some("5MB"));
    assert_eq!(select(&durable, &url, "show max_connections").as_deref(), Some("200"));
    let fast = PgCluster::start().unwrap();
    assert_eq!(select(&fast, &fast.url("postgres"), "show fsync").as_deref(), Some("off"));
}

#[test]
fn an_outage_keeps_port_and_data() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    select(&cluster, &url, "create table kept (id int)").unwrap();
    cluster.stop().unwrap();
    assert_eq!(select(&cluster, &url, "select 1"), None);
    cluster.configure(&[("work_mem", "6MB")]).unwrap();
    cluster.restart().unwrap();
    assert_eq!(select(&cluster, &url, "select count(*) from kept").as_deref(), Some("0"));
    assert_eq!(select(&cluster, &url, "show work_mem").as_deref(), Some("6MB"));
}

#[test]
fn a_shared_cluster_can_be_used_and_not_stopped() {
    let owner = PgCluster::start().unwrap();
    let guest = PgCluster::at(owner.base_url()).unwrap();
    let url = guest.create_database().unwrap();
    assert_eq!(select(&guest, &url, "select 1").as_deref(), Some("1"));
    assert!(guest.stop().unwrap_err().to_string().contains("shared"));
    assert!(PgCluster::at("mysql://there").is_err());
}

#[test]
fn dropping_leaves_nothing() {
    let cluster = PgCluster::start().unwrap();
    let folder = cluster.folder().unwrap().to_owned();
    let url = cluster.url("postgres");
    assert!(folder.join("data").is_dir());
    drop(cluster);
    assert!(!folder.exists());
    assert_eq!(select(postgres(), &url, "select 1"), None);
}
