package publish_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/dataplane/wire"
)

func TestAProvidersSettingsReachTheEdges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	compatible := true
	_, err := provider.New(f.db.Tenant, f.box).Create(t.Context(), f.actor, provider.Input{
		Name: "local", Kind: provider.OpenAI, BaseURL: "https://api.example.com", Compatible: &compatible, ChatOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	fragment, _ := f.compile(t, f.service())
	found := false
	for _, chunk := range fragment.Full() {
		for _, item := range chunk.GetUpserts() {
			var body wire.ItemBody
			if err := proto.Unmarshal(item.GetBody(), &body); err != nil {
				t.Fatal(err)
			}
			if got := body.GetProvider(); got != nil {
				found = got.GetChatOnly() && got.GetCompatible()
			}
		}
	}
	if !found {
		t.Error("edges are not told what the provider lacks")
	}
}
