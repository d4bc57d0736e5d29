package ingest

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// What is written quickly reads as what was given.
func TestColumnsAreWrittenAsPgxReadsThem(t *testing.T) {
	t.Parallel()
	types := pgtype.NewMap()
	for oid, column := range map[uint32]any{
		pgtype.TextArrayOID: []string{"", "a", "ü\n"}, pgtype.ByteaArrayOID: [][]byte{{}, {0, 1}}, pgtype.Int8ArrayOID: []int64{0, -1, 1<<63 - 1},
		pgtype.Int4ArrayOID: []int32{-1 << 31, 7}, pgtype.BoolArrayOID: []bool{true, false}, pgtype.UUIDArrayOID: []pgtype.UUID{filled(uuid.New()), {}},
		pgtype.TimestamptzArrayOID: []time.Time{time.Unix(0, 0).UTC(), time.Date(2026, 11, 26, 1, 2, 3, 4000, time.UTC)},
	} {
		known, _ := types.TypeForOID(oid)
		quick := lists{known.Codec.(*pgtype.ArrayCodec)}
		for _, column := range []any{column, reflect.MakeSlice(reflect.TypeOf(column), 0, 0).Interface()} {
			raw, err := quick.PlanEncode(types, oid, pgtype.BinaryFormatCode, column).Encode(column, []byte{})
			if err != nil {
				t.Fatal(err)
			}
			read := reflect.New(reflect.TypeOf(column))
			if err := types.Scan(oid, pgtype.BinaryFormatCode, raw, read.Interface()); err != nil {
				t.Fatalf("%T: %v", column, err)
			}
			if got := read.Elem(); got.Len() != reflect.ValueOf(column).Len() || got.Len() > 0 && !same(got.Interface(), column) {
				t.Errorf("%v reads as %v", column, got)
			}
		}
		none := reflect.Zero(reflect.TypeOf(column)).Interface()
		if raw, err := quick.PlanEncode(types, oid, pgtype.BinaryFormatCode, none).Encode(none, []byte{}); raw != nil || err != nil {
			t.Errorf("%T without a value: %v, %v", column, raw, err)
		}
	}
}

func same(a, b any) bool {
	switch a := a.(type) {
	case []time.Time:
		for i, at := range b.([]time.Time) {
			if !a[i].Equal(at) {
				return false
			}
		}
		return true
	case [][]byte:
		for i, raw := range b.([][]byte) {
			if !bytes.Equal(a[i], raw) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(a, b)
	}
}
