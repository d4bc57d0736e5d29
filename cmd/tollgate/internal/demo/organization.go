package demo

const (
	openaiProvider    = "sim-openai"
	anthropicProvider = "sim-anthropic"
)

// everyone seeds what any use needs: providers, routes, and a workspace with an agent and a key for people.
func (s *seeder) everyone() {
	openai := s.ensure("/providers", record{
		"name": openaiProvider, "kind": "openai", "base_url": s.config.OpenAI, "catalog": "openai", "private_network": true, "credential": "sk-simulated-openai",
	})
	anthropic := s.ensure("/providers", record{
		"name": anthropicProvider, "kind": "anthropic", "base_url": s.config.Anthropic, "catalog": "anthropic", "private_network": true, "credential": "sk-ant-simulated",
	})
	for _, model := range []string{"gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "text-embedding-3-small"} {
		s.route(openai, model)
	}
	for _, model := range []string{"claude-sonnet-4-5", "claude-haiku-4-5"} {
		s.route(anthropic, model)
	}
	s.seeded.WorkspaceID = s.ensure("/workspaces", record{"name": guest, "slug": "playground"})
	agent := s.ensure("/agents", record{"name": "playground", "workspace_id": s.seeded.WorkspaceID, "description": "Whoever tries the curl line."}, "workspace_id")
	s.seeded.VirtualKeyID = s.key(guest, record{"name": "Playground", "workspace_id": s.seeded.WorkspaceID, "agent_id": agent, "allowed_models": []string{}})
	s.seeded.VirtualKey = s.seeded.Keys[guest]
}

func (s *seeder) route(provider, model string) {
	s.ensure("/routes", record{
		"name": model, "strategy": "fallback", "targets": []record{{"provider_id": provider, "model": model, "weight": 1}},
	})
}

// agents seeds the agents that make traffic, with budgets that show different states and a guardrail that sometimes bites.
func (s *seeder) agents() {
	support := s.ensure("/workspaces", record{"name": "Customer support", "slug": "support"})
	engineering := s.ensure("/workspaces", record{"name": "Engineering", "slug": "engineering"})
	keys := make(map[string]string)
	for _, one := range cast() {
		workspace := support
		if one.engineering {
			workspace = engineering
		}
		agent := s.ensure("/agents", record{"name": one.name, "workspace_id": workspace, "description": one.description}, "workspace_id")
		if s.seeded.Keys[one.name] == "" {
			keys[one.name] = s.key(one.name, record{
				"name": one.name, "workspace_id": workspace, "agent_id": agent, "allowed_models": one.allowed, "requests_per_minute": 120,
			})
		}
	}
	s.ensure("/budgets", record{"name": "Whole organization", "scope": "org", "limit_usd": "500", "period": "month", "time_zone": "UTC", "mode": "soft"})
	s.ensure("/budgets", record{"name": "Support", "scope": "workspace", "scope_id": support, "limit_usd": "25", "period": "day", "time_zone": "UTC", "mode": "hard"})
	s.ensure("/budgets", record{"name": "Engineering", "scope": "workspace", "scope_id": engineering, "limit_usd": "80", "period": "day", "time_zone": "UTC", "mode": "hard"})
	if id := keys[spender]; id != "" {
		s.ensure("/budgets", record{"name": "Release notes pilot", "scope": "virtual_key", "scope_id": id, "limit_usd": "0.05", "period": "day", "time_zone": "UTC", "mode": "hard"})
	}
	s.ensure("/guardrails", record{"name": "Unreleased projects", "scope": "org", "action": "block", "words": []string{"project aurora", "project basalt"}})
}
