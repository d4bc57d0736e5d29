-- By how much an account passes its limit is computed where it is shown: raises come and go by the clock. Who claims shares the budget's row, so
-- that a limit is changed only when nobody is granting by the old one, whatever the number of its accounts. budget_period.overrun is neither
-- read nor written any more; a later release drops it.

-- +goose Up
DROP TRIGGER budget_limit_changed ON budget;
DROP FUNCTION budget_limit_changed();

-- +goose Down
-- +goose StatementBegin
CREATE FUNCTION budget_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM budget_period
  WHERE org_id = NEW.org_id AND budget_id = NEW.budget_id AND (period_end IS NULL OR period_end > now() - interval '2 days')
  ORDER BY period_start, subject
  FOR UPDATE;
  UPDATE budget_period SET overrun = greatest(0, spent + leased + in_doubt - NEW.limit_pico)
  WHERE org_id = NEW.org_id AND budget_id = NEW.budget_id AND (period_end IS NULL OR period_end > now() - interval '2 days')
    AND overrun <> greatest(0, spent + leased + in_doubt - NEW.limit_pico);
  RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER budget_limit_changed AFTER UPDATE OF limit_pico ON budget FOR EACH ROW EXECUTE FUNCTION budget_limit_changed();
