package torture

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// compareShown holds what the API shows, which is what the console's pages draw, against the events and the accounts.
func (t *torture) compareShown(ctx context.Context) error {
	var totals struct {
		Events int64       `json:"events"`
		Cost   jsonInteger `json:"cost_pico"`
	}
	ago := url.QueryEscape(time.Now().Add(-23 * time.Hour).UTC().Format(time.RFC3339))
	if err := t.rig.Admin.Do(ctx, http.MethodGet, "/usage/totals?from="+ago, nil, &totals); err != nil {
		return err
	}
	if err := t.shown(ctx, "the number of calls", big.NewInt(totals.Events), "SELECT coalesce(sum(count), 0) FROM usage_event"); err != nil {
		return err
	}
	if err := t.shown(ctx, "the cost", &totals.Cost.Int, "SELECT coalesce(sum(cost_pico), 0) FROM usage_event"); err != nil {
		return err
	}
	var budgets struct {
		Items []struct {
			ID      string      `json:"id"`
			Name    string      `json:"name"`
			Spent   jsonInteger `json:"spent_pico"`
			InDoubt jsonInteger `json:"in_doubt_pico"`
		} `json:"items"`
	}
	if err := t.rig.Admin.Do(ctx, http.MethodGet, "/budgets", nil, &budgets); err != nil {
		return err
	}
	for _, budget := range budgets.Items {
		sum := new(big.Int).Add(&budget.Spent.Int, &budget.InDoubt.Int)
		if err := t.shown(ctx, "budget "+budget.Name, sum, "SELECT coalesce(sum(spent + in_doubt), 0) FROM budget_period WHERE budget_id = $1", budget.ID); err != nil {
			return err
		}
	}
	return t.shownInDoubt(ctx)
}

// jsonInteger is an amount, which the API writes as a number or as text.
type jsonInteger struct{ big.Int }

// UnmarshalJSON implements json.Unmarshaler.
func (i *jsonInteger) UnmarshalJSON(raw []byte) error {
	if len(raw) >= 2 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	if _, ok := i.SetString(string(raw), 10); !ok {
		return fmt.Errorf("%q is no integer", raw)
	}
	return nil
}

func (t *torture) shown(ctx context.Context, what string, shown *big.Int, query string, args ...any) error {
	want, err := t.number(ctx, query, args...)
	if err != nil {
		return err
	}
	if shown.Cmp(want) != 0 {
		t.inconsistent("the console shows %s as %s, the books say %s", what, shown, want)
	}
	return nil
}

// shownInDoubt pages through the calls that are shown as indeterminate.
func (t *torture) shownInDoubt(ctx context.Context) error {
	found := 0
	for before := ""; ; {
		var page struct {
			Items []rig.Event `json:"items"`
			Next  string      `json:"next"`
		}
		if err := t.rig.Admin.Do(ctx, http.MethodGet, "/usage/events?outcome=indeterminate&limit=500&before="+url.QueryEscape(before), nil, &page); err != nil {
			return err
		}
		found += len(page.Items)
		if before = page.Next; before == "" {
			break
		}
	}
	if found != t.report.Indeterminate {
		t.inconsistent("the console shows %d indeterminate calls, there are %d", found, t.report.Indeterminate)
	}
	return nil
}
