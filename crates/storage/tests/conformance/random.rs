pub async fn agrees_with_a_model_in_memory(_db: &crate::support::Database) {}
