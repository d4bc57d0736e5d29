package publish

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// lint refuses what every edge would refuse, so that no edge has to. It says the first thing that is wrong.
func (s *source) lint() error {
	for _, check := range []func() error{s.lintProviders, s.lintRoutes, s.lintBudgets, s.lintRateLimits, s.lintGuardrails} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func wrong(noun, id, field, reason string, args ...any) error {
	return &invalid{path: noun + "/" + id + ": " + field, reason: fmt.Sprintf(reason, args...)}
}

func (s *source) lintProviders() error {
	for _, each := range s.providers {
		id := each.ID.String()
		parsed, err := url.Parse(each.BaseURL)
		switch {
		case err != nil || parsed.Hostname() == "" || parsed.Scheme != "http" && parsed.Scheme != "https":
			return wrong("provider", id, "base_url", "the URL needs http or https and a host")
		case parsed.User != nil || parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" || strings.HasSuffix(parsed.Path, "/"):
			return wrong("provider", id, "base_url", "only scheme, host, port and a path without a slash at its end may be given")
		case providerKind(each.Kind) == wire.ProviderKind_PROVIDER_KIND_UNSPECIFIED:
			return wrong("provider", id, "kind", "the kind %q is not known", each.Kind)
		}
	}
	for _, each := range s.credentials {
		if each.Secret.IsZero() {
			return wrong("provider", each.ProviderID.String(), "credentials", "the credential %s is empty", each.ID)
		}
	}
	return nil
}

func (s *source) lintRoutes() error {
	known := map[string]struct{}{}
	for _, each := range s.providers {
		known[string(each.ID.Bytes())] = struct{}{}
	}
	compiler := plan.Compiler{Conditions: func(text string) (*condition.Condition, error) { return &condition.Condition{Text: text}, nil }} // they were compiled when they were saved
	for _, each := range s.routes {
		id, in := each.ID.String(), each.Wire()
		if len(in.GetTargets()) == 0 {
			return wrong("route", id, "targets", "a route needs a target")
		}
		weights := uint32(0)
		for i, target := range in.GetTargets() {
			if _, there := known[string(target.GetProviderId())]; !there {
				return wrong("route", id, fmt.Sprintf("targets[%d].provider_id", i), "there is no provider %x", target.GetProviderId())
			}
			if target.GetModel() == "" {
				return wrong("route", id, fmt.Sprintf("targets[%d].model", i), "the model is missing")
			}
			weights += target.GetWeight()
		}
		if mirror := in.GetMirror(); mirror != nil {
			if _, there := known[string(mirror.GetTarget().GetProviderId())]; !there {
				return wrong("route", id, "mirror.target.provider_id", "there is no provider %x", mirror.GetTarget().GetProviderId())
			}
		}
		var invalid *plan.Invalid
		switch in.GetStrategy() {
		case wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK:
		case wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED:
			if weights == 0 {
				return wrong("route", id, "targets", "a weighted route needs a weight above zero")
			}
		default:
			if _, err := compiler.Compile(in); errors.As(err, &invalid) {
				return wrong("route", id, invalid.Field, "%s", invalid.Reason)
			}
		}
	}
	return nil
}

func (s *source) lintBudgets() error {
	for _, each := range s.budgets {
		id := each.ID.String()
		if _, err := time.LoadLocation(each.TimeZone); err != nil || each.TimeZone == "" || each.TimeZone == "Local" {
			return wrong("budget", id, "time_zone", "the time zone %q is not known", each.TimeZone)
		}
		if each.Limit.Sign() < 0 {
			return wrong("budget", id, "limit_pico", "a limit must not be negative")
		}
		if budgetPeriod(each.Period) == wire.Period_PERIOD_UNSPECIFIED {
			return wrong("budget", id, "period", "the period %q is not known", each.Period)
		}
		if scopeKind(each.Scope) == wire.Scope_SCOPE_UNSPECIFIED {
			return wrong("budget", id, "scope", "the scope %q is not known", each.Scope)
		}
	}
	return nil
}

const (
	guardrailWordMax  = 200       // bytes, as at the edge
	guardrailBytesMax = 512 << 10 // of all words together, so that every automaton fits the edge's table
)

func (s *source) lintGuardrails() error {
	for _, each := range s.guardrails {
		id := each.ID.String()
		total := 0
		for i, word := range each.Words {
			if strings.TrimSpace(word) == "" || len(word) > guardrailWordMax {
				return wrong("guardrail", id, fmt.Sprintf("words[%d]", i), "a word has 1 to %d bytes and is not blank", guardrailWordMax)
			}
			total += len(word)
		}
		if len(each.Words) == 0 || total > guardrailBytesMax {
			return wrong("guardrail", id, "words", "the words are none or too many together")
		}
		if scopeKind(each.Scope) == wire.Scope_SCOPE_UNSPECIFIED {
			return wrong("guardrail", id, "scope", "the scope %q is not known", each.Scope)
		}
	}
	return nil
}
