package wire_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"tollgate.dev/dataplane/wire"
)

// TestNothingIsLostByTheGeneratedMarshalling sets every field of every message by itself: a field that was added without generating anew would
// be left out of what an edge spools.
func TestNothingIsLostByTheGeneratedMarshalling(t *testing.T) {
	t.Parallel()
	messages := wire.File_wire_proto.Messages()
	for i := range messages.Len() {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(messages.Get(i).FullName())
		if err != nil {
			t.Fatal(err)
		}
		fields := kind.Descriptor().Fields()
		for k := range fields.Len() {
			message := kind.New()
			set(message, fields.Get(k))
			fast, ok := message.Interface().(interface{ MarshalVT() ([]byte, error) })
			if !ok {
				t.Fatalf("%s has no generated marshalling", kind.Descriptor().FullName())
			}
			raw, err := fast.MarshalVT()
			got := kind.New().Interface()
			if err != nil || proto.Unmarshal(raw, got) != nil || !proto.Equal(got, message.Interface()) || proto.Size(got) == 0 {
				t.Errorf("%s: %v became %v (%v)", fields.Get(k).FullName(), message.Interface(), got, err)
			}
		}
	}
}

func set(message protoreflect.Message, field protoreflect.FieldDescriptor) {
	switch {
	case field.IsMap():
		entries := message.Mutable(field).Map()
		entries.Set(sample(field.MapKey()).MapKey(), sample(field.MapValue()))
	case field.IsList():
		list := message.Mutable(field).List()
		if field.Message() != nil {
			list.AppendMutable()
			return
		}
		list.Append(sample(field))
	case field.Message() != nil:
		message.Mutable(field)
	default:
		message.Set(field, sample(field))
	}
}

func sample(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(-5)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-5)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(300)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1 << 40)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(0.5)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("text")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{1, 2})
	default:
		panic("a kind of field that this test does not know: " + field.Kind().String())
	}
}
