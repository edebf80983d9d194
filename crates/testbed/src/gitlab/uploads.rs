//! Rows of uploads: one of each uploader, on both stores.

use super::content::{filled, sha256};
use super::record::{CREATED, GitlabRecord, PLANNER, hashed};

/// A folder of an attachment.
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The folder of uploads, as very old rows name it.
pub(super) const UPLOADS_FOLDER: &str = "/srv/uploads";

/// The size of all.
const SIZE: usize = 80;

/// The content of an upload.
fn content(id: i64) -> String {
    filled(&format!("the upload {id} "), SIZE)
}

/// An upload: its uploader, the model and id of its owner, its path and its store.
fn row(id: i64, uploader: &str, owner: (&str, &str), path: &str, store: u8) -> GitlabRecord {
    let columns = "size, path, model_type, model_id, uploader, created_at, store";
    let (model, model_id) = owner;
    let values = format!("{SIZE}, '{path}', '{model}', {model_id}, '{uploader}', {CREATED}, {store}");
    GitlabRecord::new("uploads", id, "uploads", columns, &values).size(SIZE).bytes(content(id))
}

/// Uploads whose path on the local disk is below the folder `public`, with what is below its `uploads`.
const PLAIN: [(i64, &str, &str, &str); 14] = [
    (1, "AvatarUploader", "User", "user/avatar/1/me.png"),
    (2, "AvatarUploader", "Projects::Topic", "projects/topic/avatar/1/t.png"),
    (
        3,
        "AvatarUploader",
        "Organizations::OrganizationDetail",
        "organizations/organization_detail/avatar/1/o.png",
    ),
    (4, "AttachmentUploader", "Appearance", "appearance/logo/1/logo.png"),
    (5, "AttachmentUploader", "Note", "note/attachment/1/a.txt"),
    (6, "AttachmentUploader", "Vulnerabilities::Export::Part", "vulnerabilities/export/part/file/1/p.csv"),
    (7, "FaviconUploader", "Appearance", "appearance/favicon/1/f.ico"),
    (8, "ImportExportUploader", "ImportExportUpload", "import_export_upload/export_file/1/e.tar.gz"),
    (
        9,
        "BulkImports::ExportUploader",
        "BulkImports::ExportUpload",
        "bulk_imports/export_upload/export_file/1/e.gz",
    ),
    (10, "MetricImageUploader", "IssuableMetricImage", "issuable_metric_image/file/1/m.png"),
    (
        11,
        "DesignManagement::DesignV432x230Uploader",
        "DesignManagement::Action",
        "design_management/action/image_v432x230/1/d.png",
    ),
    (12, "NewKindOfUploader", "Note", "note/new/1/n.bin"),
    // The table of such owners is not among those that can be looked at.
    (13, "AttachmentUploader", "AbuseReport", "abuse_report/screenshot/1/s.png"),
    (14, "AttachmentUploader", "NewKindOfOwner", "new_kind_of_owner/file/1/x"),
];

pub(super) fn records() -> Vec<GitlabRecord> {
    let mut records = Vec::new();
    for (id, uploader, model, path) in PLAIN {
        let local = format!("uploads/-/system/{path}");
        records
            .push(row(id, uploader, (model, "1"), &local, 1).at("uploads-disk", format!("-/system/{path}")));
        records.push(row(id + 100, uploader, (model, "1"), path, 2).at("uploads-bucket", path));
    }
    [records, of_groups(), of_projects(), of_people(), broken()].concat()
}

fn of_groups() -> Vec<GitlabRecord> {
    let group = ("Namespace", "8");
    let placeholders = "group/8/placeholder_reassignments_csv/p.csv";
    vec![
        row(
            20,
            "Import::PlaceholderReassignmentsUploader",
            group,
            &format!("uploads/-/system/{placeholders}"),
            1,
        )
        .at("uploads-disk", format!("-/system/{placeholders}"))
        .of("flights/tower"),
        row(120, "Import::PlaceholderReassignmentsUploader", group, placeholders, 2)
            .at("uploads-bucket", placeholders)
            .of("flights/tower"),
        row(21, "NamespaceFileUploader", group, &format!("{SECRET}/g.txt"), 1)
            .at("uploads-disk", format!("-/system/namespace/8/{SECRET}/g.txt"))
            .of("flights/tower"),
        row(121, "NamespaceFileUploader", group, &format!("namespace/8/{SECRET}/g.txt"), 2)
            .at("uploads-bucket", format!("namespace/8/{SECRET}/g.txt"))
            .of("flights/tower"),
    ]
}

fn of_projects() -> Vec<GitlabRecord> {
    let digest = sha256(content(30));
    let path = format!("{SECRET}/picture.png");
    let file = |id: i64, project: &str| row(id, "FileUploader", ("Project", project), &path, 1);
    vec![
        file(30, "1")
            .with(&format!("UPDATE uploads SET checksum = '{digest}' WHERE id = 30"))
            .at("uploads-disk", format!("@hashed/{}/{path}", hashed(1)))
            .digest(format!("sha256:{digest}"))
            .of(PLANNER)
            .state("upload_states", "upload_id", 2, &digest)
            .source_checksum(&digest),
        // Layout 1 has hashed repositories, but attachments under the full path still.
        file(31, "2").at("uploads-disk", format!("flights/tower/lights/{path}")).of("flights/tower/lights"),
        file(32, "42").at("uploads-disk", format!("old/legacy/{path}")).of("old/legacy"),
        row(132, "FileUploader", ("Project", "42"), &format!("@hashed/{}/{path}", hashed(42)), 2)
            .at("uploads-bucket", format!("@hashed/{}/{path}", hashed(42)))
            .of("old/legacy"),
        file(33, "5").at("uploads-disk", "-").lost("the project 5 has no full path (no row in routes)"),
        file(34, "99")
            .at("uploads-disk", "-")
            .lost("The model which owns this Upload is missing. Upload ID#34, Project ID#99"),
        // The column of later versions tells whose it is.
        row(35, "AttachmentUploader", ("Note", "1"), "uploads/-/system/note/attachment/1/b.txt", 1)
            .with("UPDATE uploads SET project_id = 1 WHERE id = 35")
            .at("uploads-disk", "-/system/note/attachment/1/b.txt")
            .of(PLANNER)
            .older(|record| record.owner = None),
    ]
}

fn of_people() -> Vec<GitlabRecord> {
    let path = format!("{SECRET}/p.txt");
    let personal = |id: i64, owner| row(id, "PersonalFileUploader", owner, &path, 1);
    vec![
        personal(40, ("Snippet", "1")).at("uploads-disk", format!("-/system/personal_snippet/1/{path}")),
        personal(41, ("User", "1")).at("uploads-disk", format!("-/system/user/1/{path}")),
        row(140, "PersonalFileUploader", ("Snippet", "1"), &format!("personal_snippet/1/{path}"), 2)
            .at("uploads-bucket", format!("personal_snippet/1/{path}")),
    ]
}

fn broken() -> Vec<GitlabRecord> {
    vec![
        row(50, "AvatarUploader", ("User", "7"), "uploads/-/system/user/avatar/7/me.png", 1)
            .at("uploads-disk", "-/system/user/avatar/7/me.png")
            .lost("The model which owns this Upload is missing. Upload ID#50, User ID#7"),
        row(51, "AttachmentUploader", ("Note", "NULL"), "uploads/-/system/note/attachment/1/x", 1)
            .at("uploads-disk", "-/system/note/attachment/1/x")
            .lost("The model which owns this Upload is missing. Upload ID#51, Note ID#"),
        // Very old rows have absolute paths.
        row(52, "AttachmentUploader", ("Note", "1"), &format!("{UPLOADS_FOLDER}/note/1/old.txt"), 1)
            .at("uploads-disk", "note/1/old.txt"),
        row(53, "AttachmentUploader", ("Note", "1"), "/elsewhere/old.txt", 1)
            .at("uploads-disk", "-")
            .lost(r#"its path "/elsewhere/old.txt" is absolute, and not below the folder of uploads"#),
        row(54, "AttachmentUploader", ("Note", "1"), "shared/old.txt", 1).at("uploads-disk", "-").lost(
            r#"its path "shared/old.txt", of the uploader "AttachmentUploader", is not below uploads/"#,
        ),
    ]
}
