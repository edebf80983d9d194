//! The tables of what uploads belong to. An upload whose owner is gone is one that nothing leads to.

use crate::field::{Column, Kind};
use crate::plan::needed;
use crate::schema::Part;

const ID: &[Column] = &[needed("id", Kind::Integer)];
const ORGANIZATION_ID: &[Column] = &[needed("organization_id", Kind::Integer)];

const fn of(table: &'static str) -> Part {
    Part { table, columns: ID }
}

/// `uploads.model_type`, which is a Ruby class, with the table of that class.
const OWNERS: [(&str, Part); 23] = [
    ("AbuseReport", of("abuse_reports")),
    ("Achievements::Achievement", of("achievements")),
    ("Ai::VectorizableFile", of("ai_vectorizable_files")),
    ("AlertManagement::MetricImage", of("alert_management_alert_metric_images")),
    ("Appearance", of("appearances")),
    ("BulkImports::ExportUpload", of("bulk_import_export_uploads")),
    ("Dependencies::DependencyListExport", of("dependency_list_exports")),
    ("Dependencies::DependencyListExport::Part", of("dependency_list_export_parts")),
    ("DesignManagement::Action", of("design_management_designs_versions")),
    ("ImportExportUpload", of("import_export_uploads")),
    ("IssuableMetricImage", of("issuable_metric_images")),
    ("Namespace", of("namespaces")),
    ("Note", of("notes")),
    ("Organizations::OrganizationDetail", Part { table: "organization_details", columns: ORGANIZATION_ID }),
    ("Project", of("projects")),
    ("Projects::ImportExport::RelationExportUpload", of("project_relation_export_uploads")),
    ("Projects::Topic", of("topics")),
    ("Snippet", of("snippets")),
    ("User", of("users")),
    ("UserPermissionExportUpload", of("user_permission_export_uploads")),
    ("Vulnerabilities::Export", of("vulnerability_exports")),
    ("Vulnerabilities::Export::Part", of("vulnerability_export_parts")),
    ("Vulnerabilities::Remediation", of("vulnerability_remediations")),
];

/// The model under its own name for good, if it is known here.
pub(crate) fn model(model_type: &str) -> Option<&'static str> {
    OWNERS.iter().map(|(model, _)| *model).find(|model| *model == model_type)
}

/// The table of a model, and its key.
pub(crate) fn part(model: &str) -> Option<&'static Part> {
    OWNERS.iter().find(|(known, _)| *known == model).map(|(_, part)| part)
}

/// All tables of owners.
pub(crate) fn parts() -> impl Iterator<Item = Part> {
    OWNERS.iter().map(|(_, part)| *part)
}
