package route

import (
	"strconv"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/dataplane/wire"
)

// Mirror says that a share of the calls that were answered is put to another target too, whose answer nobody gets. It has the label MirrorLabel with
// the route's name, and happens only where a hard budget for that label holds it.
type Mirror struct {
	ProviderID    ident.Provider `json:"provider_id"`
	ProviderName  string         `json:"provider_name,omitempty"` // shown; not looked at when set
	Model         string         `json:"model"`                   // its name at the provider
	SharePerMille int            `json:"share_per_mille"`
}

// Share writes how many of the answered calls are repeated, in percent.
func (m Mirror) Share() string {
	return strconv.FormatFloat(float64(m.SharePerMille)/10, 'f', -1, 64) + "%"
}

// MirrorLabel is the label of calls that are repeated at a mirror.
const MirrorLabel = wire.MirrorLabel

const mille = 1000

// clean trims the mirror and says what is wrong; its provider is judged where it can be looked up.
func (m *Mirror) clean(wrong *fault.Fields) *Mirror {
	if m == nil {
		return nil
	}
	clean := *m
	clean.Model = input.Name(wrong, "mirror.model", m.Model, modelMax)
	if m.SharePerMille < 1 || m.SharePerMille > mille {
		wrong.Add("mirror.share_per_mille", "enter a share between 0.1 and 100 per cent, which is 1 to %d per mille", mille)
	}
	return &clean
}

func (m *Mirror) wire() *wire.Mirror {
	if m == nil {
		return nil
	}
	return &wire.Mirror{Target: &wire.Target{ProviderId: m.ProviderID.Bytes(), Model: m.Model}, SharePerMille: uint32(max(m.SharePerMille, 0))}
}

// everyTarget calls visit for every target of the route and for its mirror, with their places.
func (in *Input) everyTarget(visit func(place string, target *Target)) {
	each(in.Targets, "", visit)
	if in.Mirror != nil {
		mirror := Target{ProviderID: in.Mirror.ProviderID, ProviderName: in.Mirror.ProviderName, Model: in.Mirror.Model}
		visit("mirror", &mirror)
		in.Mirror.ProviderName = mirror.ProviderName
	}
}
