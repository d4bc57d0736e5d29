package publish

import (
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/dataplane/wire"
)

func guardrailBody(in guardrail.Guardrail) *wire.ItemBody {
	out := &wire.Guardrail{Id: in.ID.Bytes(), Name: in.Name, Scope: scopeKind(in.Scope), ScopeId: in.ScopeID.Bytes(), Words: in.Words}
	switch in.Action {
	case guardrail.Block:
		out.Action = wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK
	case guardrail.Flag:
		out.Action = wire.GuardrailAction_GUARDRAIL_ACTION_FLAG
	}
	return &wire.ItemBody{Body: &wire.ItemBody_Guardrail{Guardrail: out}}
}
