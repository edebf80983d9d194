DROP INDEX records_with_key_data;
