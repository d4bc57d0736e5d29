package usage

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
)

const exportedAtOnce = 5000

// WriteCSV writes the sums by day, or by hour where that is asked for or the range is none of whole days, of every group as comma-separated values: all of them, whatever Limit says, in pieces, so that
// memory is bounded. Amounts are exact decimals in USD. Texts that a spreadsheet would take for a formula are quoted with an apostrophe.
// What is written before an error is incomplete.
func (s *Service) WriteCSV(ctx context.Context, actor authz.Actor, query SpendQuery, out io.Writer) error {
	if query.GroupBy == ByRun {
		var wrong fault.Fields
		wrong.Add("group_by", "runs are not exported by day; choose another")
		return wrong.Err()
	}
	q, names, err := s.prepare(ctx, actor, query)
	if err != nil {
		return err
	}
	if q.Step == NoStep && !q.wholeDays() {
		q.Step = ByHour
	}
	to := csv.NewWriter(out)
	head := "start,group_id,group_name,events,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,cost_usd,waste_usd,saved_usd,doubt_usd,estimated_events,estimated_usd"
	if err := to.Write(strings.Split(head, ",")); err != nil {
		return err
	}
	for after := (row{}); ; {
		rows, err := s.piece(ctx, actor, q, names, after)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := to.Write(rows[i].record(names)); err != nil {
				return err
			}
		}
		if to.Flush(); to.Error() != nil || len(rows) < exportedAtOnce {
			return to.Error()
		}
		after = rows[len(rows)-1]
	}
}

func (r *row) record(names names) []string {
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	id, _ := names.of(r.key)
	return []string{
		r.start.Format(time.RFC3339), harmless(id), harmless(r.name), count(r.Events), count(r.InputTokens), count(r.CachedInputTokens),
		count(r.CacheWriteTokens), count(r.OutputTokens), count(r.ReasoningTokens), r.Cost.Decimal(), r.Waste.Decimal(), r.Saved.Decimal(),
		r.Doubt.Decimal(), count(r.EstimatedEvents), r.Estimated.Decimal(),
	}
}

// harmless keeps a spreadsheet from taking a text for a formula (https://owasp.org/www-community/attacks/CSV_Injection).
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
