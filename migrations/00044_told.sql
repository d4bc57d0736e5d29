-- Books that were put back to an older state know less than edges do of what was lent and spent. Nothing is lent after Postgres began anew until
-- the edges have told what they hold. Books have a number: the beginning of Postgres, in Unix microseconds.

-- +goose Up
CREATE TABLE vouched (
  books bigint PRIMARY KEY,
  lend  boolean NOT NULL, -- they may be lent from; false: grants may be missing in them
  at    timestamptz NOT NULL DEFAULT now()
);
INSERT INTO vouched (books, lend) SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, true;

CREATE TABLE edge_told (
  edge_id uuid PRIMARY KEY, -- also of an edge that these books do not know
  seen    bigint NOT NULL,  -- the books that it last asked
  told    bigint NOT NULL   -- the books that know all its leases and all its usage of before they began; 0: none
);
GRANT SELECT, INSERT, UPDATE ON vouched, edge_told TO tollgate_app;

ALTER TABLE budget_lease ADD COLUMN ahead_total bigint NOT NULL DEFAULT 0; -- usage of grants that these books do not know yet

-- +goose Down
ALTER TABLE budget_lease DROP COLUMN ahead_total;
DROP TABLE edge_told;
DROP TABLE vouched;
