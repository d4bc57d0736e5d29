package publish

import (
	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/dataplane/wire"
)

func agentBody(in agent.Agent) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_Agent{Agent: &wire.Agent{Id: in.ID.Bytes(), WorkspaceId: in.WorkspaceID.Bytes(), Name: in.Name}}}
}
