//! The privileges that a database role needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::layout::all_parts;
use crate::praefect;

/// A script, for each database of GitLab (the main one, those of CI and security, Praefect's), that allows this role to read
/// exactly what is read there: some columns of some tables. Run it as the tables' owner, on the primary, and again after an
/// upgrade of GitLab. It skips what the database does not have.
pub fn grants(role: &str) -> String {
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for part in all_parts() {
        tables.entry(part.table).or_default().extend(part.columns.iter().map(|column| column.name));
    }
    for (table, columns) in praefect::TABLES {
        tables.entry(table).or_default().extend(columns);
    }
    let mut needed = String::new();
    for (table, columns) in &tables {
        let separator = if needed.is_empty() { "" } else { ",\n" };
        let columns = columns.iter().copied().collect::<Vec<_>>().join(",");
        // Writing to a String does not fail.
        let _ = write!(needed, "{separator}        ('{table}', '{{{columns}}}')");
    }
    let role = role.replace('\'', "''");
    format!(
        r"DO $stocktake$
DECLARE
    statement text;
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), '{role}');
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', '{role}');
    FOR statement IN
        SELECT format('GRANT SELECT (%s) ON %s TO %I', string_agg(quote_ident(a.attname), ', '),
                      a.attrelid::regclass, '{role}')
        FROM (VALUES
{needed}
        ) AS wanted (name, columns)
        JOIN pg_attribute a ON a.attrelid = to_regclass('public.' || name) AND NOT a.attisdropped
             AND a.attname = ANY (columns::text[])
        GROUP BY a.attrelid
        UNION ALL
        -- The states of uploads by the types of their owners, since GitLab 19.
        SELECT format('GRANT SELECT (%s) ON %s TO %I', string_agg(quote_ident(a.attname), ', '),
                      a.attrelid::regclass, '{role}')
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE '%\_upload\_states'
              AND c.relkind IN ('r', 'p')
              AND (a.attname IN ('verification_state', 'verification_checksum') OR a.attname LIKE '%\_upload\_id')
        GROUP BY a.attrelid
    LOOP
        EXECUTE statement;
    END LOOP;
END
$stocktake$;
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_columns_that_are_read_are_granted() {
        let script = grants("o'hara");
        assert!(script.contains("('users', '{id}')"));
        assert!(script.contains("'o''hara'"));
        assert!(script.contains("('repository_assignments', '{repository_id,storage}')"));
        assert!(script.contains("('routes', '{path,source_id,source_type}')"));
        assert!(!script.contains("import_url") && !script.contains("runners_token"));
    }
}
