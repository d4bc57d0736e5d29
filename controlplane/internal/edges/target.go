package edges

import (
	"encoding/json"
	"strings"
	"time"

	"tollgate.dev/dataplane/wire"
)

// openTarget is what an edge says of one target that it holds calls back from, as it is kept.
type openTarget struct {
	ProviderID string    `json:"provider_id"`
	Provider   string    `json:"provider"`
	Model      string    `json:"model"`
	RouteID    string    `json:"route_id,omitempty"`
	Route      string    `json:"route,omitempty"`
	HalfOpen   bool      `json:"half_open"`
	Limited    bool      `json:"limited"`
	Failures   uint32    `json:"failures"`
	Reason     string    `json:"reason"`
	Since      time.Time `json:"since"`
	ProbeAt    time.Time `json:"probe_at"`
}

const (
	saidMax        = 1000 // things of one kind, of one edge, that are kept
	reasonBytesMax = 500
)

// byOrganization writes what an edge says, by organization, as read takes it; false: it names what nobody has.
func byOrganization[S interface{ GetOrgId() []byte }, K any](said []S, read func(one S) (kept K, ok bool)) []byte {
	byOrg := map[string][]K{}
	for _, one := range said[:min(len(said), saidMax)] {
		org, err := wire.IDFromBytes(one.GetOrgId())
		if kept, ok := read(one); ok && err == nil {
			byOrg[org.String()] = append(byOrg[org.String()], kept)
		}
	}
	raw, err := json.Marshal(byOrg)
	if err != nil { // a time beyond the year 9999
		return []byte("{}")
	}
	return raw
}

func openTargets(said []*wire.OpenTarget) []byte {
	return byOrganization(said, func(one *wire.OpenTarget) (openTarget, bool) {
		provider, err := wire.IDFromBytes(one.GetProviderId())
		route, routeID := plainText(one.GetRoute()), ""
		if id, err := wire.IDFromBytes(one.GetRouteId()); err == nil {
			routeID = id.String()
		}
		return openTarget{
			RouteID: routeID, Route: route,
			ProviderID: provider.String(), Provider: plainText(one.GetProvider()), Model: plainText(one.GetModel()), Reason: plainText(one.GetReason()),
			HalfOpen: one.GetState() == wire.BreakerState_BREAKER_STATE_HALF_OPEN, Limited: one.GetLimited(), Failures: one.GetFailures(),
			Since: time.UnixMilli(one.GetSinceUnixMs()).UTC(), ProbeAt: time.UnixMilli(one.GetProbeUnixMs()).UTC(),
		}, err == nil
	})
}

// refusedCredential is what an edge says of one credential that its provider does not let through, as it is kept.
type refusedCredential struct {
	ProviderID   string    `json:"provider_id"`
	Provider     string    `json:"provider"`
	CredentialID string    `json:"credential_id"`
	Status       uint32    `json:"status"`
	Times        uint32    `json:"times"`
	Since        time.Time `json:"since"`
}

func refusedCredentials(said []*wire.RefusedCredential) []byte {
	return byOrganization(said, func(one *wire.RefusedCredential) (refusedCredential, bool) {
		provider, errProvider := wire.IDFromBytes(one.GetProviderId())
		credential, errCredential := wire.IDFromBytes(one.GetCredentialId())
		return refusedCredential{
			ProviderID: provider.String(), Provider: plainText(one.GetProvider()), CredentialID: credential.String(),
			Status: one.GetStatus(), Times: one.GetTimes(), Since: time.UnixMilli(one.GetSinceUnixMs()).UTC(),
		}, errProvider == nil && errCredential == nil
	})
}

// plainText cuts what a column of texts does not hold.
func plainText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), reasonBytesMax)], ""), "\x00", "")
}
