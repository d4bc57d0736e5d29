-- An edge that is declared lost: what it held is in doubt, and usage that comes after all is taken out of doubt again.

-- +goose Up
ALTER TABLE budget_lease ADD COLUMN doubted_total bigint NOT NULL DEFAULT 0 CHECK (doubted_total >= 0); -- of settled_total: moved to in_doubt by a fence, not yet used up

-- +goose Down
ALTER TABLE budget_lease DROP COLUMN doubted_total;
