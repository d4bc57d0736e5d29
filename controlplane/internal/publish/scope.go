package publish

import (
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/dataplane/wire"
)

// scopeKind returns the kind as the contract names it.
func scopeKind(kind scope.Kind) wire.Scope {
	switch kind {
	case scope.Org:
		return wire.Scope_SCOPE_ORG
	case scope.Workspace:
		return wire.Scope_SCOPE_WORKSPACE
	case scope.VirtualKey:
		return wire.Scope_SCOPE_VIRTUAL_KEY
	case scope.Agent:
		return wire.Scope_SCOPE_AGENT
	case scope.EndUser:
		return wire.Scope_SCOPE_END_USER
	case scope.Model:
		return wire.Scope_SCOPE_MODEL
	case scope.Label:
		return wire.Scope_SCOPE_LABEL
	case scope.Run:
		return wire.Scope_SCOPE_RUN
	default:
		return wire.Scope_SCOPE_UNSPECIFIED
	}
}
