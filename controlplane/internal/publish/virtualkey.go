package publish

import (
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/dataplane/wire"
)

// revokedFor is how long a revoked key stays in the fragment, so that its refusal can say why.
const revokedFor = 30 * 24 * time.Hour

// keptAt says which keys belong in a fragment whose newest change was at that time. It goes by the change and not by the clock, so that
// one generation always has one content.
func keptAt(changed time.Time) func(virtualkey.VirtualKey) bool {
	return func(key virtualkey.VirtualKey) bool {
		return key.RevokedAt == nil || changed.Sub(*key.RevokedAt) <= revokedFor
	}
}

func virtualKeyBody(in virtualkey.VirtualKey) *wire.ItemBody {
	out := &wire.VirtualKey{
		Id: in.ID.Bytes(), Hash: in.Hash[:], WorkspaceId: in.WorkspaceID.Bytes(), AgentId: in.AgentID.Bytes(), Name: in.Name,
		Revoked: in.RevokedAt != nil, RequestsPerMinute: uint32(max(in.RequestsPerMinute, 0)),
		AllowedModels: slices.Sorted(slices.Values(in.AllowedModels)), Priority: priorityOf(in.Priority),
		DropsFields: in.FieldsNotCarried == virtualkey.Drop, AllowsProxy: in.AllowsProxy,
	}
	if in.ExpiresAt != nil {
		out.ExpiresUnixMs = in.ExpiresAt.UnixMilli()
	}
	return &wire.ItemBody{Body: &wire.ItemBody_VirtualKey{VirtualKey: out}}
}

func priorityOf(priority virtualkey.Priority) wire.Priority {
	switch priority {
	case virtualkey.High:
		return wire.Priority_PRIORITY_HIGH
	case virtualkey.Low:
		return wire.Priority_PRIORITY_LOW
	default:
		return wire.Priority_PRIORITY_UNSPECIFIED // normal; keys of old fragments say the same
	}
}
