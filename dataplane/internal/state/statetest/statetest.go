// Package statetest builds fragments for the tests of an edge's rooms.
// It refuses to be imported by anything but tests.
package statetest

import (
	"crypto/cipher"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// FleetKey returns the key under which Provider seals its credentials.
func FleetKey() wire.FleetKey { return wire.FleetKey("0123456789abcdef0123456789abcdef") }

// ID returns a well-known id.
func ID(n byte) wire.ID { return wire.ID{0: 0x01, 6: 0x70, 8: 0x80, 15: n} }

// Credentials returns the cipher of sealed credentials under FleetKey.
func Credentials(t testing.TB) cipher.AEAD {
	t.Helper()
	box, err := FleetKey().Cipher("credential")
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// NewStore returns an empty store.
func NewStore(t testing.TB) *state.Store {
	t.Helper()
	return state.NewStore(Credentials(t))
}

// Item wraps a noun: *wire.Organization, *wire.Workspace, *wire.Agent, *wire.VirtualKey, *wire.Provider, *wire.Route, *wire.Budget,
// *wire.Guardrail, *wire.RateLimit or *wire.Price.
func Item(t testing.TB, noun proto.Message) *wire.Item {
	t.Helper()
	body := new(wire.ItemBody)
	message := body.ProtoReflect()
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Message().FullName() != noun.ProtoReflect().Descriptor().FullName() {
			continue
		}
		raw, err := wire.IDFromBytes(noun.ProtoReflect().Get(noun.ProtoReflect().Descriptor().Fields().ByName("id")).Bytes())
		if err != nil {
			raw = wire.ID{}
		}
		message.Set(field, protoValue(noun))
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return &wire.Item{Key: fmt.Sprintf("%s/%s", field.Name(), raw), Body: encoded}
	}
	t.Fatalf("%T is no noun", noun)
	return nil
}

// Full returns a full state of an organization (wire.PlatformID: prices) as a push.
func Full(t testing.TB, org wire.ID, generation uint64, nouns ...proto.Message) state.Push {
	t.Helper()
	items := map[string][]byte{}
	push := state.Push{Org: org, Generation: generation, ItemCount: uint32(len(nouns))}
	for _, noun := range nouns {
		item := Item(t, noun)
		items[item.GetKey()] = item.GetBody()
		push.Upserts = append(push.Upserts, item)
	}
	hash := wire.HashItems(items)
	push.ContentHash = hash[:]
	return push
}

// Apply applies a full state.
func Apply(t testing.TB, store *state.Store, org wire.ID, generation uint64, nouns ...proto.Message) {
	t.Helper()
	if err := store.Apply(Full(t, org, generation, nouns...)); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// Provider returns a provider with one credential, sealed under FleetKey.
func Provider(t testing.TB, org, id wire.ID, kind wire.ProviderKind, name, baseURL, secret string) *wire.Provider {
	t.Helper()
	credential := id
	credential[14]++
	sealed := Credentials(t).Seal(nil, nil, []byte(secret), wire.CredentialData(org, id, credential))
	return &wire.Provider{
		Id: id.Bytes(), Name: name, Kind: kind, BaseUrl: baseURL, Catalog: name, PrivateNetwork: true,
		Credentials: []*wire.Credential{{Id: credential.Bytes(), Sealed: sealed}},
	}
}

func protoValue(noun proto.Message) protoreflect.Value {
	return protoreflect.ValueOfMessage(noun.ProtoReflect())
}
