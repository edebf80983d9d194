-- A record that failed and is to be read again keeps the kind and the cause of its failure until a new attempt ends. The
-- index is for one statement alone, as those of the first migration are: it lists what failed last, in whatever state.
CREATE INDEX records_findings ON records ((model + 0), key) WHERE failure_kind IS NOT NULL;
