package simulator

import (
	"encoding/json"
	"strings"
)

// odds says of how many tokens in the place of each it is told how probable they were, besides the one that was said.
type odds struct{ likeliest int }

// oddsOf reads the settings for it; nil: nothing is asked for.
func oddsOf(asked bool, likeliest int) *odds {
	if !asked {
		return nil
	}
	return &odds{likeliest}
}

// saidOdds is how probable everything was that is said; what might have stood in its place is less so.
const (
	saidOdds  json.Number = "-0.25"
	otherOdds json.Number = "-2.5"
)

// others are the tokens that might have been said, the likeliest first.
func (o *odds) others(token string) []string {
	return append([]string{token}, strings.Split(strings.Repeat("x", max(o.likeliest-1, 0)), "")...)[:o.likeliest]
}

// chat tells them as OpenAI does; without odds nothing.
func (o *odds) chat(pieces ...string) any {
	if o == nil {
		return nil
	}
	return map[string]any{"content": o.list(pieces...), "refusal": nil}
}

func (o *odds) list(pieces ...string) any {
	all := []any{}
	if o == nil {
		return all
	}
	one := func(token string, number json.Number) map[string]any {
		bytes := []int{}
		for _, b := range []byte(token) {
			bytes = append(bytes, int(b))
		}
		return map[string]any{"token": token, "logprob": number, "bytes": bytes}
	}
	for _, piece := range pieces {
		said, tops := one(piece, saidOdds), []any{}
		for i, other := range o.others(piece) {
			tops = append(tops, one(other, oddsAt(i)))
		}
		said["top_logprobs"] = tops
		all = append(all, said)
	}
	return all
}

// gemini tells them as Google does.
func (o *odds) gemini(pieces ...string) any {
	if o == nil {
		return nil
	}
	chosen, tops := []any{}, []any{}
	for _, piece := range pieces {
		chosen = append(chosen, map[string]any{"token": piece, "tokenId": len(piece), "logProbability": saidOdds})
		step := []any{}
		for i, other := range o.others(piece) {
			step = append(step, map[string]any{"token": other, "tokenId": len(other), "logProbability": oddsAt(i)})
		}
		tops = append(tops, map[string]any{"candidates": step})
	}
	return map[string]any{"chosenCandidates": chosen, "topCandidates": tops}
}

// cohere tells those of one piece as Cohere does.
func (o *odds) cohere(piece string) any {
	if o == nil {
		return nil
	}
	return map[string]any{"text": piece, "token_ids": []int{len(piece)}, "logprobs": []json.Number{saidOdds}}
}

func oddsAt(place int) json.Number {
	if place == 0 {
		return saidOdds
	}
	return otherOdds
}
