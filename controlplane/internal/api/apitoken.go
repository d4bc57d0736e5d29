package api

import (
	"context"

	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/authz"
)

// createdToken is the answer to a new API token; its text is shown once.
type createdToken struct {
	APIToken apitoken.APIToken `json:"api_token"`
	Token    string            `json:"token"`
}

func tokenTable(s Services) []endpoint {
	return []endpoint{
		listing("/api-tokens", authz.APITokenRead, "All API tokens, revoked ones too, newest first", s.Tokens.List),
		creating("/api-tokens", authz.APITokenWrite, "Create an API token with a role not above one's own; its text is shown once",
			func(ctx context.Context, actor authz.Actor, in apitoken.Input) (createdToken, error) {
				created, text, err := s.Tokens.Create(ctx, actor, in)
				return createdToken{created, text.Reveal()}, err
			}),
		getting("/api-tokens/:id", authz.APITokenRead, "One API token", s.Tokens.Get),
		doing("/api-tokens/:id/revoke", authz.APITokenWrite, "Revoke an API token, for good", s.Tokens.Revoke),
	}
}
