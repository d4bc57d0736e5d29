-- What was done to one subject is found among all that was done.

-- +goose Up
CREATE INDEX audit_entry_subject_idx ON audit_entry (org_id, subject_id, at DESC);

-- +goose Down
DROP INDEX audit_entry_subject_idx;
