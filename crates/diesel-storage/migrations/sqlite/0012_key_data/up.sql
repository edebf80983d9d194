-- The rules that hold key data, encrypted or not: for one statement alone, which finds what is to be encrypted otherwise.
CREATE INDEX records_with_key_data ON records (model, key) WHERE substr(rule, 1, 11) = 'secure_file';
