package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/money"
)

// finding is something that is so now and that a rule wants to be known.
type finding struct {
	rule      Rule
	subject   string
	period    string // empty: since it began to be so
	threshold int
	severity  channel.Severity
	title     string
	text      string
	path      string
}

// settings are the rules as one organization has them.
type settings map[Rule]Setting

const (
	whole      = 100 // percent of a limit
	high       = 80
	hoursMin   = 12
	deviations = 6
	calm       = 10 // a deviation below a tenth of the median is taken for that
	spikeTimes = 3
	lostAfter  = 7 * 24 * time.Hour
	subjectMax = 120
)

// ofBudgets judges accounts by their thresholds.
func (s settings) ofBudgets(accounts []Account) []finding {
	var found []finding
	for _, one := range accounts {
		if f, so := s.threshold(one); so {
			found = append(found, f)
		}
	}
	return found
}

// threshold finds the highest threshold that an account has reached, and no other.
func (s settings) threshold(a Account) (finding, bool) {
	setting := s[BudgetThreshold]
	reached := 0
	for _, percent := range a.Percents {
		if a.Limit.Sign() > 0 && a.Used.PerMille(a.Limit) >= percent*10 {
			reached = max(reached, percent)
		}
	}
	if !setting.Enabled || reached == 0 {
		return finding{}, false
	}
	f := a.finding(BudgetThreshold, setting.Severity)
	f.threshold = reached
	f.title = fmt.Sprintf("%s has reached %d%% of its limit", a.called(), reached)
	f.text = fmt.Sprintf("%s of %s are used in the period since %s.", a.Used.USD(), a.Limit.USD(), day(a.PeriodStart))
	switch {
	case reached >= whole:
		f.severity = channel.Critical
	case reached < high:
		f.severity = channel.Info
	}
	if !a.PeriodEnd.IsZero() {
		f.text += " It begins anew on " + day(a.PeriodEnd) + "."
	}
	return f, true
}

func (a Account) finding(rule Rule, severity channel.Severity) finding {
	return finding{
		rule: rule, subject: "budget:" + a.Budget.String(), period: a.PeriodStart.UTC().Format(time.RFC3339), severity: severity, path: "/budgets/" + a.Budget.String(),
	}
}

func (a Account) called() string {
	if a.Accounts > 1 {
		return fmt.Sprintf("The fullest of %d accounts of budget “%s”", a.Accounts, a.Name)
	}
	return fmt.Sprintf("Budget “%s”", a.Name)
}

// ofSignals judges everything else.
func (s settings) ofSignals(seen Signals, now time.Time) []finding {
	hour, today := now.UTC().Truncate(time.Hour).Format(time.RFC3339), now.UTC().Format(time.DateOnly)
	var found []finding
	add := func(rule Rule, subject, period, path, title, text string) {
		if setting := s[rule]; setting.Enabled {
			found = append(found, finding{rule: rule, subject: subject, period: period, severity: setting.Severity, path: path, title: title, text: text})
		}
	}
	for _, one := range seen.Accounts {
		if one.RunsOutAt != nil && one.PeriodEnd.After(*one.RunsOutAt) {
			f := one.finding(BudgetForecast, "")
			add(BudgetForecast, f.subject, f.period, f.path, one.called()+" will run out before its period ends",
				fmt.Sprintf("%s of %s are used. At the pace of the last days nothing is left on %s; it begins anew only on %s.", one.Used.USD(), one.Limit.USD(), day(*one.RunsOutAt), day(one.PeriodEnd)))
		}
		if one.InDoubt.Sign() > 0 {
			f := one.finding(MoneyInDoubt, "")
			add(MoneyInDoubt, f.subject, "", f.path, one.called()+" has money in doubt",
				one.InDoubt.USD()+" belong to calls whose end nobody saw. They count as spent until their usage turns up or they are released.")
		}
	}
	for _, one := range seen.Spend {
		if usual, limit, judged := one.usual(s[SpendAnomaly].Number); judged && one.Now.Cmp(limit) > 0 {
			add(SpendAnomaly, one.Subject, hour, one.Path, one.Name+" spends more than usual",
				fmt.Sprintf("%s in this hour so far. Its usual hour costs %s; up to %s would be within its habits.", one.Now.USD(), usual.USD(), limit.USD()))
		}
	}
	if seen.BudgetRefusals >= int64(s[BudgetRefusals].Number) {
		add(BudgetRefusals, "organization", today, "/usage?code=budget_exhausted", "Budgets refuse calls",
			fmt.Sprintf("%d calls of this hour were refused because a budget had nothing left.", seen.BudgetRefusals))
	}
	if blocks := seen.GuardrailBlocks; blocks >= int64(s[GuardrailSpike].Number) && blocks*24 >= seen.GuardrailBefore*spikeTimes {
		add(GuardrailSpike, "organization", hour, "/usage?code=guardrail_blocked", "Guardrails block more than usual",
			fmt.Sprintf("%d calls of this hour were blocked; in the 24 hours before there were %d.", blocks, seen.GuardrailBefore))
	}
	for _, model := range seen.Unpriced {
		add(PriceUnknown, "model:"+cut(model), today, "/prices", fmt.Sprintf("The model “%s” has no price", cut(model)),
			"Calls of it are dealt with as the organization chose for unknown prices. Add a price, or take the model off its routes.")
	}
	for _, one := range seen.Rejects {
		add(UsageRejected, "edge:"+one.Edge.String(), today, "/edges", fmt.Sprintf("Usage from edge “%s” is missing from the books", one.Name),
			fmt.Sprintf("Records rejected today: %d. The last one is number %d: %s. They are kept as they came, and taken in once they can be, such as by a newer control plane; until then what they cost stands on the providers' invoices alone.",
				one.Records, one.LastSeq, one.LastReason))
	}
	for _, edge := range seen.Edges {
		if title, text := edge.trouble(now, s[EdgeHealth].Number); title != "" {
			add(EdgeHealth, "edge:"+edge.ID.String(), "", "/edges", title, text)
		}
		if edge.NackReason != "" {
			add(Publishing, "edge:"+edge.ID.String(), "", "/edges", fmt.Sprintf("Edge “%s” refuses the newest configuration", edge.Name),
				fmt.Sprintf("%s: %s. It goes on with the one before.", edge.NackPath, edge.NackReason))
		}
	}
	for _, one := range seen.Refusals {
		add(KeyRefused, "provider:"+one.Provider.String(), "", "/providers/"+one.Provider.String(), one.title(), fmt.Sprintf(
			"Since %s, it answers with status %d, as said by %s. Calls go on with the provider's other credentials or the next targets of their routes, and fail where there is none. Add a good credential on its page and retire the refused one, or see to the account.",
			minute(one.Since), one.Status, strings.Join(one.Edges, ", ")))
	}
	if seen.Problem != "" {
		add(Publishing, "organization", "", "/edges", "The newest configuration is not pushed", fmt.Sprintf("%s: %s. Edges go on with the one before.", seen.ProblemPath, seen.Problem))
	}
	return found
}

// trouble says what is wrong with an edge; empty: nothing.
func (e Edge) trouble(now time.Time, minutes int) (title, text string) {
	switch away := now.Sub(e.LastSeenAt); {
	case !e.Connected && away >= time.Duration(minutes)*time.Minute && away < lostAfter:
		return fmt.Sprintf("Edge “%s” is away", e.Name), "It was last heard of on " + minute(e.LastSeenAt) +
			". It may still serve with what it has; money that it holds is not lent to others until it is back or declared lost."
	case e.Connected && !e.Accepting:
		return fmt.Sprintf("Edge “%s” takes no calls", e.Name), "It is connected and says that it has no room to record usage safely: its disk is full or broken, or it is shutting down."
	case e.Connected && e.Corrupt > 0:
		return fmt.Sprintf("Edge “%s” found damaged records", e.Name), fmt.Sprintf("%d places of its spool could not be read, or are missing after a loss of power, so that usage may be missing. "+
			"Compare with the providers' invoices, and look at the machine's disk.", e.Corrupt)
	default:
		return "", ""
	}
}

func (r Refusal) title() string {
	if r.Credentials == 1 {
		return fmt.Sprintf("The provider “%s” refuses one of its credentials", r.ProviderName)
	}
	return fmt.Sprintf("The provider “%s” refuses %d of its credentials", r.ProviderName, r.Credentials)
}

// ofTargets judges targets that are held back.
func (s settings) ofTargets(targets []Target, now time.Time) []finding {
	setting := s[TargetHeld]
	var found []finding
	for _, one := range targets {
		if setting.Enabled && now.Sub(one.Since) >= time.Duration(setting.Number)*time.Second {
			found = append(found, finding{rule: TargetHeld, subject: one.subject(), severity: setting.Severity, title: one.title(), text: one.text(), path: "/providers/" + one.Provider.String()})
		}
	}
	return found
}

func (t Target) subject() string {
	subject := "target:" + t.Provider.String() + "/" + t.Model
	if !t.Route.IsZero() {
		subject += "@" + t.Route.String()
	}
	return subject
}

func (t Target) title() string {
	return fmt.Sprintf("Calls are held back from %s / %s", t.ProviderName, cut(t.Model))
}

func (t Target) text() string {
	who, why := "calls", "it keeps failing"
	if t.RouteName != "" {
		who = fmt.Sprintf("calls of the route “%s”", t.RouteName)
	}
	if t.Limited {
		why = "it has asked for it"
	}
	return fmt.Sprintf("Since %s, %s are held back at %s: %s (%s). Routes with other targets use those; a call without another one is answered with 503, or 429 where the provider itself sets a limit, and Retry-After.",
		minute(t.Since), who, strings.Join(t.Edges, ", "), why, t.Reason)
}

// usual returns the median of the hours before and the most that is within their habits: the median and six median deviations, at least
// the floor in whole US dollars. Too few hours are not judged.
func (h Hours) usual(floorUSD int) (median, limit money.Amount, judged bool) {
	if len(h.Past) < hoursMin {
		return median, limit, false
	}
	median = middle(h.Past)
	apart := make([]money.Amount, len(h.Past))
	for i, one := range h.Past {
		if apart[i] = one.Sub(median); apart[i].Sign() < 0 {
			apart[i] = median.Sub(one)
		}
	}
	deviation := middle(apart)
	if least := money.FromPico(median.Pico() / calm); deviation.Cmp(least) < 0 {
		deviation = least
	}
	limit = median
	for range deviations {
		limit = limit.Add(deviation)
	}
	if floor := money.FromPico(int64(floorUSD) * picoPerUSD); limit.Cmp(floor) < 0 {
		limit = floor
	}
	return median, limit, true
}

const picoPerUSD = 1_000_000_000_000

func middle(amounts []money.Amount) money.Amount {
	sorted := slices.Clone(amounts)
	slices.SortFunc(sorted, money.Amount.Cmp)
	return sorted[(len(sorted)-1)/2]
}

func day(t time.Time) string    { return t.Format("2 January 2006") }
func minute(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 MST") }

// cut keeps what a caller chose short enough for a title.
func cut(text string) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), subjectMax)])
}

// settled is what an evaluation changes.
type settled struct {
	fire       []finding
	over       []Alert // and whoever keeps a state is told
	superseded []Alert // by a higher threshold of the same matter
}

// settle compares what is so with what is open. Whether a finding fired before and is over, the database knows.
func settle(found []finding, open []Alert) settled {
	var changes settled
	known := make(map[string]finding, len(found))
	for _, f := range found {
		known[f.key()] = f
	}
	fired := map[string]bool{}
	for _, a := range open {
		f, so := known[a.key()]
		switch {
		case !so || a.Threshold > f.threshold:
			changes.over = append(changes.over, a)
		case a.Threshold < f.threshold:
			changes.superseded = append(changes.superseded, a)
		default:
			fired[a.key()] = true
		}
	}
	for _, f := range found {
		if !fired[f.key()] {
			changes.fire = append(changes.fire, f)
		}
	}
	return changes
}

func (f finding) key() string { return string(f.rule) + " " + f.subject + " " + f.period }

func (a Alert) key() string {
	if a.standing {
		return string(a.Rule) + " " + a.Subject + " "
	}
	return string(a.Rule) + " " + a.Subject + " " + a.Period
}
