package publish

import (
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
)

func workspaceBody(in workspace.Workspace) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_Workspace{Workspace: &wire.Workspace{Id: in.ID.Bytes(), Name: in.Name, Slug: in.Slug, CacheEpoch: uint32(max(in.CacheEpoch, 0))}}}
}
