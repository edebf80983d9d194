//! The tables of the rows that uploads belong to. An upload is orphaned if its owner's row does not exist.

use crate::column::{Column, ColumnType, required};
use crate::schema::TableColumns;

const ID: &[Column] = &[required("id", ColumnType::Integer)];
const ORGANIZATION_ID: &[Column] = &[required("organization_id", ColumnType::Integer)];

const fn by_id(table: &'static str) -> TableColumns {
    TableColumns { table, columns: ID }
}

/// `uploads.model_type`, which is a Ruby class, with the table of that class.
const OWNERS: [(&str, TableColumns); 24] = [
    ("AbuseReport", by_id("abuse_reports")),
    ("Achievements::Achievement", by_id("achievements")),
    ("Ai::VectorizableFile", by_id("ai_vectorizable_files")),
    ("AlertManagement::MetricImage", by_id("alert_management_alert_metric_images")),
    ("Appearance", by_id("appearances")),
    ("BulkImports::ExportUpload", by_id("bulk_import_export_uploads")),
    ("Dependencies::DependencyListExport", by_id("dependency_list_exports")),
    ("Dependencies::DependencyListExport::Part", by_id("dependency_list_export_parts")),
    ("DesignManagement::Action", by_id("design_management_designs_versions")),
    ("ImportExportUpload", by_id("import_export_uploads")),
    ("IssuableMetricImage", by_id("issuable_metric_images")),
    ("Namespace", by_id("namespaces")),
    ("Note", by_id("notes")),
    (
        "Organizations::OrganizationDetail",
        TableColumns { table: "organization_details", columns: ORGANIZATION_ID },
    ),
    ("Project", by_id("projects")),
    ("Projects::ImportExport::RelationExportUpload", by_id("project_relation_export_uploads")),
    ("Projects::Topic", by_id("topics")),
    ("Snippet", by_id("snippets")),
    ("User", by_id("users")),
    ("UserPermissionExportUpload", by_id("user_permission_export_uploads")),
    ("Vulnerabilities::ArchiveExport", by_id("vulnerability_archive_exports")),
    ("Vulnerabilities::Export", by_id("vulnerability_exports")),
    ("Vulnerabilities::Export::Part", by_id("vulnerability_export_parts")),
    ("Vulnerabilities::Remediation", by_id("vulnerability_remediations")),
];

/// The name of a model type as a constant, if its table is known here.
pub(crate) fn model(model_type: &str) -> Option<&'static str> {
    models().find(|model| *model == model_type)
}

/// All of these models.
pub(crate) fn models() -> impl Iterator<Item = &'static str> {
    OWNERS.iter().map(|(model, _)| *model)
}

/// The table of a model, and its key.
pub(crate) fn part(model: &str) -> Option<&'static TableColumns> {
    OWNERS.iter().find(|(known, _)| *known == model).map(|(_, part)| part)
}

/// Tables that are in the database of security where there is one; that of the main database is then an empty copy.
const OF_SEC: [&str; 6] = [
    "dependency_list_export_parts",
    "dependency_list_exports",
    "vulnerability_archive_exports",
    "vulnerability_export_parts",
    "vulnerability_exports",
    "vulnerability_remediations",
];

/// Whether a table is in the database of security where there is one.
pub(crate) fn is_of_sec(table: &str) -> bool {
    OF_SEC.contains(&table)
}

/// The tables of all owners.
pub(crate) fn parts() -> impl Iterator<Item = TableColumns> {
    OWNERS.iter().map(|(_, part)| *part)
}
