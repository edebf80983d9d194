-- From the tables of GitLab 16.11 back to those of 15.11.

-- Artifacts of jobs were in one table.
CREATE TABLE of_one (LIKE p_ci_job_artifacts INCLUDING DEFAULTS);
INSERT INTO of_one SELECT * FROM p_ci_job_artifacts;
DROP TABLE p_ci_job_artifacts;
ALTER TABLE of_one RENAME TO ci_job_artifacts;
ALTER TABLE ci_job_artifacts ADD PRIMARY KEY (id);

-- Tables that came later: symbols in 16.4, states of repositories in 16.
DROP TABLE packages_nuget_symbols, wiki_repository_states, design_management_repository_states, project_states;
