-- Calls whose cost is known only when their provider has worked through them: batches and answers in the background. Edges ask what is due.
-- A row is also the lock under which the event that began such a call and the one that ends its doubt meet, in whichever order they come.

-- +goose Up
CREATE TABLE awaited (
  org_id       uuid NOT NULL,
  event_id     uuid NOT NULL, -- that left the cost in doubt
  workspace_id uuid NOT NULL,
  route_id     uuid, -- null: none led there
  dialect      text NOT NULL,
  model        text NOT NULL, -- as the caller called it
  kept         text NOT NULL CHECK (length(kept) <= 1024), -- the id under which the provider keeps it, sealed by an edge; '': nobody knows it
  settled      boolean NOT NULL, -- its cost is in the books
  tries        integer NOT NULL DEFAULT 0,
  due_at       timestamptz, -- when to ask the provider; null: not any more
  noted_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, event_id)
);
CREATE INDEX awaited_due_idx ON awaited (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX awaited_noted_idx ON awaited (noted_at);
CREATE INDEX awaited_kept_idx ON awaited (org_id, workspace_id, dialect, event_id) WHERE kept <> '';
GRANT SELECT, INSERT, UPDATE, DELETE ON awaited TO tollgate_app;

-- +goose Down
DROP TABLE awaited;
