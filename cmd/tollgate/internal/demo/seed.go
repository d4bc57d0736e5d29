// Package demo fills an organization with workspaces, agents, routes, budgets and a guardrail, and makes modest traffic as its agents.
// It refuses any other way in than the public admin API and the edges' own doors.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
)

// Config says what to seed.
type Config struct {
	File              string // remembers what was seeded and the keys' texts; mode 0600
	Agents            bool   // also those that make traffic
	OpenAI, Anthropic string // base URLs of the providers
}

// Seeded is what a seeded organization consists of, as the file keeps it.
type Seeded struct {
	OrgID        string            `json:"org_id"`
	WorkspaceID  string            `json:"workspace_id"`
	VirtualKeyID string            `json:"virtual_key_id"`
	VirtualKey   string            `json:"virtual_key"` // for people
	Agents       bool              `json:"agents"`      // those that make traffic were seeded too
	Keys         map[string]string `json:"keys"`        // agent's name → virtual key
}

// guest names the workspace, agent and key that are for people.
const guest = "Playground"

// Seed makes what is missing and says whether anything was made. What somebody has changed or archived since the first time is left
// alone; only the providers' addresses follow the simulator.
func Seed(ctx context.Context, client *Client, config Config) (seeded Seeded, made bool, err error) {
	s := &seeder{ctx: ctx, client: client, config: config}
	kept := s.load()
	if err := s.call(http.MethodGet, "/organization", nil, &s.organization); err != nil {
		return Seeded{}, false, fmt.Errorf("the admin API does not accept the token of this directory: %w", err)
	}
	if err := s.follow(); err != nil {
		return Seeded{}, false, err
	}
	if s.current(kept) && (kept.Agents || !config.Agents) {
		return kept, false, nil
	}
	if kept.Keys == nil || kept.OrgID != s.organization.ID {
		kept = Seeded{OrgID: s.organization.ID, Keys: map[string]string{}}
	}
	s.seeded = kept
	s.everyone()
	if config.Agents {
		s.agents()
		s.seeded.Agents = s.err == nil
	}
	if s.err == nil {
		s.save()
	}
	return s.seeded, true, s.err
}

// seeder carries out one seeding. After the first error it does nothing more.
type seeder struct {
	ctx          context.Context //nolint:containedctx // lives as long as one call of Seed
	client       *Client
	config       Config
	organization struct {
		ID string `json:"id"`
	}
	seeded Seeded
	err    error
}

// record is any object of the admin API.
type record map[string]any

func (r record) text(field string) string {
	text, _ := r[field].(string) // absent is empty
	return text
}

func (s *seeder) call(method, path string, body, answer any) error {
	return s.client.do(s.ctx, method, path, body, answer)
}

// list returns the things of a kind that are not archived.
func (s *seeder) list(path string) []record {
	var answer struct {
		Items []record `json:"items"`
	}
	if s.err == nil {
		s.err = s.call(http.MethodGet, path, nil, &answer)
	}
	var current []record
	for _, item := range answer.Items {
		if item["archived_at"] == nil {
			current = append(current, item)
		}
	}
	return current
}

// ensure returns the id of the thing with that name, making it when there is none. Fields in same must be equal too.
func (s *seeder) ensure(path string, body record, same ...string) string {
	for _, item := range s.list(path) {
		alike := item.text("name") == body.text("name")
		for _, field := range same {
			alike = alike && item.text(field) == body.text(field)
		}
		if alike {
			return item.text("id")
		}
	}
	var made record
	if s.err == nil {
		s.err = s.call(http.MethodPost, path, body, &made)
	}
	return made.text("id")
}

// key makes a virtual key and remembers its text, which is shown only now.
func (s *seeder) key(name string, body record) (id string) {
	var made struct {
		VirtualKey record `json:"virtual_key"`
		Key        string `json:"key"`
	}
	if s.err != nil {
		return ""
	}
	if s.err = s.call(http.MethodPost, "/virtual-keys", body, &made); s.err != nil {
		return ""
	}
	s.seeded.Keys[name] = made.Key
	return made.VirtualKey.text("id")
}

// follow moves the providers to where the simulator is in this run.
func (s *seeder) follow() error {
	addresses := map[string]string{openaiProvider: s.config.OpenAI, anthropicProvider: s.config.Anthropic}
	for _, provider := range s.list("/providers") {
		address, ours := addresses[provider.text("name")]
		if !ours || provider.text("base_url") == address || s.err != nil {
			continue
		}
		s.err = s.call(http.MethodPatch, "/providers/"+provider.text("id"), record{"base_url": address}, nil)
	}
	return s.err
}

// current says whether the remembered key for people still stands.
func (s *seeder) current(kept Seeded) bool {
	if kept.OrgID != s.organization.ID || kept.VirtualKey == "" {
		return false
	}
	for _, key := range s.list("/virtual-keys") {
		if key.text("id") == kept.VirtualKeyID {
			return key["revoked_at"] == nil
		}
	}
	return false
}

func (s *seeder) load() Seeded {
	var kept Seeded
	raw, err := os.ReadFile(s.config.File)
	if err != nil || json.Unmarshal(raw, &kept) != nil {
		return Seeded{} // the first time
	}
	return kept
}

func (s *seeder) save() {
	raw, err := json.MarshalIndent(s.seeded, "", "  ")
	if err == nil {
		err = os.WriteFile(s.config.File, append(raw, '\n'), 0o600)
	}
	s.err = errors.Join(s.err, err)
}
