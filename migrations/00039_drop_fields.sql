-- What happens to a field of a request that the format of the model's provider does not have.

-- +goose Up
ALTER TABLE virtual_key
  ADD COLUMN fields_not_carried text NOT NULL DEFAULT 'refuse' CHECK (fields_not_carried IN ('refuse', 'drop'));

-- +goose Down
ALTER TABLE virtual_key DROP COLUMN fields_not_carried;
