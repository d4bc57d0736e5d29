package ingest

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// lists writes columns to Postgres without a detour over an interface value for each element, of which a batch has a hundred for each event.
type lists struct{ *pgtype.ArrayCodec }

// quicken makes a connection write columns so.
func quicken(conn *pgx.Conn) {
	types := conn.TypeMap()
	for _, oid := range []uint32{
		pgtype.TextArrayOID, pgtype.UUIDArrayOID, pgtype.Int8ArrayOID, pgtype.Int4ArrayOID, pgtype.BoolArrayOID, pgtype.TimestamptzArrayOID, pgtype.ByteaArrayOID,
	} {
		if known, there := types.TypeForOID(oid); there {
			if slow, is := known.Codec.(*pgtype.ArrayCodec); is {
				types.RegisterType(&pgtype.Type{Name: known.Name, OID: oid, Codec: lists{slow}})
			}
		}
	}
}

// PlanEncode takes the lists that belong to the type of the elements, and leaves the rest to pgx.
func (l lists) PlanEncode(types *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	element := l.ElementType.OID
	if format == pgtype.BinaryFormatCode {
		switch value.(type) {
		case []string:
			if element == pgtype.TextOID {
				return list[string]{element, func(buf []byte, s string) []byte { return append(sized(buf, len(s)), s...) }}
			}
		case [][]byte:
			if element == pgtype.ByteaOID {
				return list[[]byte]{element, func(buf, b []byte) []byte { return append(sized(buf, len(b)), b...) }}
			}
		case []int64:
			if element == pgtype.Int8OID {
				return list[int64]{element, func(buf []byte, n int64) []byte { return binary.BigEndian.AppendUint64(sized(buf, 8), uint64(n)) }}
			}
		case []int32:
			if element == pgtype.Int4OID {
				return list[int32]{element, func(buf []byte, n int32) []byte { return binary.BigEndian.AppendUint32(sized(buf, 4), uint32(n)) }}
			}
		case []bool:
			if element == pgtype.BoolOID {
				return list[bool]{element, appendBool}
			}
		case []pgtype.UUID:
			if element == pgtype.UUIDOID {
				return list[pgtype.UUID]{element, appendUUID}
			}
		case []time.Time:
			if element == pgtype.TimestamptzOID {
				return list[time.Time]{element, func(buf []byte, t time.Time) []byte {
					return binary.BigEndian.AppendUint64(sized(buf, 8), uint64(t.UnixMicro()-epochMicro))
				}}
			}
		}
	}
	return l.ArrayCodec.PlanEncode(types, oid, format, value)
}

const epochMicro = 946_684_800_000_000 // 2000-01-01, from which Postgres counts

func sized(buf []byte, size int) []byte { return binary.BigEndian.AppendUint32(buf, uint32(size)) }

func appendBool(buf []byte, yes bool) []byte {
	if yes {
		return append(sized(buf, 1), 1)
	}
	return append(sized(buf, 1), 0)
}

func appendUUID(buf []byte, id pgtype.UUID) []byte {
	if !id.Valid {
		return sized(buf, -1) // null
	}
	return append(sized(buf, 16), id.Bytes[:]...)
}

// list writes one column: an array of one dimension.
type list[T any] struct {
	element uint32
	add     func(buf []byte, value T) []byte
}

// Encode appends the array's binary form. A nil list is null.
func (l list[T]) Encode(value any, buf []byte) ([]byte, error) {
	all := value.([]T)
	if all == nil {
		return nil, nil
	}
	const (
		nulls   = 1  // there may be some
		usual   = 16 // bytes of an element, its length included
		columns = 16 // of a statement, which share the buffer
	)
	if size := usual * len(all); cap(buf)-len(buf) < size {
		buf = slices.Grow(buf, columns*size)
	}
	for _, n := range []int{1, nulls, int(l.element), len(all), 1} {
		buf = sized(buf, n)
	}
	for _, each := range all {
		buf = l.add(buf, each)
	}
	return buf, nil
}
