package api

import (
	"context"
	"net/http"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
)

// table is every endpoint with the permission that it needs.
func table(s Services) []endpoint {
	var all []endpoint
	for _, part := range [][]endpoint{
		organizationTable(s), workspaceTable(s), providerTable(s), routeTable(s), policyTable(s), priceTable(s), budgetTable(s), rateLimitTable(s), keyTable(s), tokenTable(s), auditTable(s), edgeTable(s), usageTable(s), spendTable(s), channelTable(s), alertTable(s), doubtTable(s),
	} {
		all = append(all, part...)
	}
	return all
}

// createdOrg is the answer to a new organization; the token is shown once.
type createdOrg struct {
	Organization org.Org `json:"organization"`
	APIToken     string  `json:"api_token"`
}

// nameChange is a body that changes a name.
type nameChange struct {
	Name string `json:"name"`
}

// roleChange is a body that changes a role.
type roleChange struct {
	Role authz.Role `json:"role"`
}

func organizationTable(s Services) []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/organization", permission: authz.OrgRead, summary: "The organization of the API token",
			status: http.StatusOK, answer: typeOf[org.Org](),
			serve: func(c *call) (any, error) { return s.Orgs.Get(c.ctx, c.actor) },
		},
		{
			method: http.MethodPatch, path: "/organization", permission: authz.OrgWrite, summary: "Rename the organization, or choose what happens to calls that an edge has no room to record",
			status: http.StatusOK, body: typeOf[org.Change](), answer: typeOf[org.Org](),
			serve: func(c *call) (any, error) {
				var in org.Change
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.Orgs.Update(c.ctx, c.actor, in)
			},
		},
		creating("/organizations", authz.OrgWrite, "Create another organization with its first owner (owners only); the API token is shown once",
			func(ctx context.Context, actor authz.Actor, in org.Input) (createdOrg, error) {
				created, token, err := s.Orgs.Create(ctx, actor, in)
				return createdOrg{created, token.Reveal()}, err
			}),
		listing("/members", authz.MemberRead, "All members", s.Members.List),
		creating("/members", authz.MemberWrite, "Add a member; somebody who is known keeps their own name and password",
			func(ctx context.Context, actor authz.Actor, in member.Input) (member.Member, error) {
				return s.Members.Add(ctx, actor, in)
			}),
		{
			method: http.MethodPatch, path: "/members/:id", permission: authz.MemberWrite, summary: "Change a member's role",
			status: http.StatusOK, body: typeOf[roleChange](), answer: typeOf[member.Member](),
			serve: func(c *call) (any, error) {
				id, err := idOf[ident.User](c, "id")
				if err != nil {
					return nil, err
				}
				var in roleChange
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.Members.SetRole(c.ctx, c.actor, id, in.Role)
			},
		},
		archiving("/members/:id", authz.MemberWrite, "Remove a member", s.Members.Remove),
	}
}

func workspaceTable(s Services) []endpoint {
	return []endpoint{
		listing("/workspaces", authz.WorkspaceRead, "All workspaces", s.Workspaces.List),
		creating("/workspaces", authz.WorkspaceWrite, "Create a workspace", s.Workspaces.Create),
		getting("/workspaces/:id", authz.WorkspaceRead, "One workspace", s.Workspaces.Get),
		changing("/workspaces/:id", authz.WorkspaceWrite, "Rename a workspace",
			func(ctx context.Context, actor authz.Actor, id ident.Workspace) (nameChange, error) {
				found, err := s.Workspaces.Get(ctx, actor, id)
				return nameChange{found.Name}, err
			},
			func(ctx context.Context, actor authz.Actor, id ident.Workspace, in nameChange) (workspace.Workspace, error) {
				return s.Workspaces.Rename(ctx, actor, id, in.Name)
			}),
		doing("/workspaces/:id/purge-cache", authz.WorkspaceWrite, "Forget every answer that edges keep for a workspace's calls", s.Workspaces.Purge),
		listing("/agents", authz.AgentRead, "All agents", s.Agents.List),
		creating("/agents", authz.AgentWrite, "Create an agent", s.Agents.Create),
		getting("/agents/:id", authz.AgentRead, "One agent", s.Agents.Get),
		changing("/agents/:id", authz.AgentWrite, "Change an agent's name and description",
			func(ctx context.Context, actor authz.Actor, id ident.Agent) (agent.Input, error) {
				found, err := s.Agents.Get(ctx, actor, id)
				return agent.Input{WorkspaceID: found.WorkspaceID, Name: found.Name, Description: found.Description}, err
			}, s.Agents.Update),
		archiving("/agents/:id", authz.AgentWrite, "Archive an agent", s.Agents.Archive),
	}
}

func providerTable(s Services) []endpoint {
	return []endpoint{
		listing("/providers", authz.ProviderRead, "All providers", s.Providers.List),
		creating("/providers", authz.ProviderWrite, "Create a provider, with its first credential when one is given", s.Providers.Create),
		getting("/providers/:id", authz.ProviderRead, "One provider", s.Providers.Get),
		changing("/providers/:id", authz.ProviderWrite, "Change a provider's name, address, catalog, network, queue and settings of its kind",
			func(ctx context.Context, actor authz.Actor, id ident.Provider) (provider.Input, error) {
				found, err := s.Providers.Get(ctx, actor, id)
				return provider.Input{
					Name: found.Name, Kind: found.Kind, BaseURL: found.BaseURL, Catalog: found.Catalog, PrivateNetwork: found.PrivateNetwork,
					MaxConcurrency: found.MaxConcurrency, QueueLength: found.QueueLength, QueueWaitMS: found.QueueWaitMS,
					Region: found.Region, Project: found.Project, APIVersion: found.APIVersion, Compatible: &found.Compatible, ChatOnly: found.ChatOnly,
				}, err
			}, s.Providers.Update),
		archiving("/providers/:id", authz.ProviderWrite, "Archive a provider that no route targets", s.Providers.Archive),
		telling("/providers/:id/credentials", authz.ProviderWrite, "Add a credential", http.StatusCreated, s.Providers.AddCredential),
		taking("/providers/:id/credentials", "credential_id", authz.ProviderWrite, "Retire a credential", s.Providers.RetireCredential),
	}
}

func policyTable(s Services) []endpoint {
	return []endpoint{
		listing("/guardrails", authz.GuardrailRead, "All guardrails", s.Guardrails.List),
		creating("/guardrails", authz.GuardrailWrite, "Create a guardrail", s.Guardrails.Create),
		getting("/guardrails/:id", authz.GuardrailRead, "One guardrail", s.Guardrails.Get),
		changing("/guardrails/:id", authz.GuardrailWrite, "Change a guardrail's name, action and words",
			func(ctx context.Context, actor authz.Actor, id ident.Guardrail) (guardrail.Input, error) {
				found, err := s.Guardrails.Get(ctx, actor, id)
				return guardrail.Input{Name: found.Name, Scope: found.Scope, ScopeID: found.ScopeID, Action: found.Action, Words: found.Words}, err
			}, s.Guardrails.Update),
		archiving("/guardrails/:id", authz.GuardrailWrite, "Archive a guardrail", s.Guardrails.Archive),
	}
}

// createdKey is the answer to a new virtual key; its text is shown once.
type createdKey struct {
	VirtualKey virtualkey.VirtualKey `json:"virtual_key"`
	Key        string                `json:"key"`
}

func keyTable(s Services) []endpoint {
	return []endpoint{
		listing("/virtual-keys", authz.VirtualKeyRead, "All virtual keys, revoked ones too, newest first", s.Keys.List),
		creating("/virtual-keys", authz.VirtualKeyWrite, "Create a virtual key; its text is shown once",
			func(ctx context.Context, actor authz.Actor, in virtualkey.Input) (createdKey, error) {
				created, text, err := s.Keys.Create(ctx, actor, in)
				return createdKey{created, text.Reveal()}, err
			}),
		getting("/virtual-keys/:id", authz.VirtualKeyRead, "One virtual key", s.Keys.Get),
		changing("/virtual-keys/:id", authz.VirtualKeyWrite, "Change a virtual key's name, agent, models, limit, priority and expiry",
			func(ctx context.Context, actor authz.Actor, id ident.VirtualKey) (virtualkey.Input, error) {
				found, err := s.Keys.Get(ctx, actor, id)
				return virtualkey.Input{
					Name: found.Name, WorkspaceID: found.WorkspaceID, AgentID: found.AgentID, AllowedModels: found.AllowedModels,
					ExpiresAt: found.ExpiresAt, RequestsPerMinute: found.RequestsPerMinute, Priority: found.Priority,
					FieldsNotCarried: found.FieldsNotCarried, AllowsProxy: found.AllowsProxy,
				}, err
			}, s.Keys.Update),
		doing("/virtual-keys/:id/revoke", authz.VirtualKeyWrite, "Revoke a virtual key at every edge, for good", s.Keys.Revoke),
	}
}
