package aws

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/wire"
)

const secretText = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// TestSignaturesAreThoseOfAmazonsOwnSigner compares with what aws-sdk-go-v2's signer makes of the same requests, and with Amazon's test suite.
func TestSignaturesAreThoseOfAmazonsOwnSigner(t *testing.T) {
	t.Parallel()
	profile := ConversePath("arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc", true)
	converse := Request{
		Region: "eu-central-1", Service: "bedrock", Host: "bedrock-runtime.eu-central-1.amazonaws.com", Path: profile, ContentType: "application/json",
		Body: [][]byte{[]byte(`{"mess`), []byte(`ages":[]}`)},
	}
	suite := Request{
		Region: "us-east-1", Service: "service", Host: "example.amazonaws.com", Path: "/", ContentType: "application/x-www-form-urlencoded",
		Body: [][]byte{[]byte("Param1=value1")},
	}
	for name, c := range map[string]struct {
		key  wire.AWSKey
		r    Request
		now  time.Time
		want string
	}{
		"a profile": {
			wire.AWSKey{AccessKeyID: "AKIDEXAMPLEAKIDEXA", SecretAccessKey: secretText},
			converse, noon,
			"content-type;host;x-amz-date, Signature=2b00b91df508baa16e75ca0885e2f201f2305fcecb9d095fb30781a04ae53e22",
		},
		"a session": {
			wire.AWSKey{AccessKeyID: "AKIDEXAMPLEAKIDEXA", SecretAccessKey: secretText, SessionToken: "tok/en+=="},
			converse, noon,
			"content-type;host;x-amz-date;x-amz-security-token, Signature=6611a3809933f9f32c092b0895666e446e8d7cfeca2841c0dd369e7f19a1c5e0",
		},
		"post-x-www-form-urlencoded": {
			wire.AWSKey{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secretText},
			suite, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC),
			"content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
		},
	} {
		got := Sign(&c.key, &c.r, c.now)
		if !strings.HasSuffix(got.Authorization, c.want) || got.Token != c.key.SessionToken {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAModelIsOneSegmentOfThePath(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{
		"anthropic.claude-sonnet-4-5-20250929-v1:0":       "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
		"arn:aws:bedrock:us-east-1:1:inference-profile/a": "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fa/converse",
		"../../evil?x=1#y z":                              "/model/..%2F..%2Fevil%3Fx%3D1%23y%20z/converse",
	} {
		if got := ConversePath(model, false); got != want {
			t.Errorf("%s: %s", model, got)
		}
	}
}

// Messages as aws-sdk-go-v2's encoder writes them: a delta with headers of several types, and an exception.
const (
	deltaHex     = "000000b30000006c764180de0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070005" + "6576656e74016e040000000701620001740800000000000000007b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a224869227d2c2270223a22616263227ddb97a260"
	exceptionHex = "000000670000004038ec35a40f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a22546f6f206d616e792e227d95dd267a"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func collect(raw []byte, step int) (found []string, err error) {
	var s Splitter
	for at := 0; at < len(raw); at += step {
		s.Feed(raw[at:min(at+step, len(raw))])
		for {
			event, ok, err := s.Next()
			if err != nil {
				return found, err
			}
			if !ok {
				break
			}
			found = append(found, string(event.Name)+" "+string(event.Data))
		}
	}
	return found, nil
}

func TestMessagesAreFoundAtEverySplit(t *testing.T) {
	t.Parallel()
	raw := append(append(unhex(t, deltaHex), message(":message-type\x07\x00\x05error", "")...), unhex(t, exceptionHex)...)
	want := `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abc"}|error {}|error {"message":"Too many."}`
	for step := 1; step <= len(raw); step++ {
		found, err := collect(raw, step)
		if got := strings.Join(found, "|"); err != nil || got != want {
			t.Fatalf("step %d: %v %s", step, err, got)
		}
	}
}

// message writes one with the header, whose name's length is put before it.
func message(header, payload string) []byte {
	if header != "" {
		header = string(rune(strings.IndexByte(header, 7))) + header
	}
	raw := binary.BigEndian.AppendUint32(nil, uint32(messageMin+len(header)+len(payload)))
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(header)))
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	raw = append(append(raw, header...), payload...)
	return binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
}

func TestADamagedStreamIsAnErrorAndNeverAnEvent(t *testing.T) {
	t.Parallel()
	whole := unhex(t, deltaHex)
	for at := range whole {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		if found, err := collect(damaged, len(damaged)); len(found) > 0 || !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %v %v", at, found, err)
		}
	}
	long := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, sse.EventBytesMax+1), 0)
	long = binary.BigEndian.AppendUint32(long, crc32.ChecksumIEEE(long))
	if _, err := collect(long, 5); !errors.Is(err, sse.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	for _, header := range []string{":a\x07\xff\xff", ":a\x0a", ":a\x07", ":a\x04\x00"} {
		if _, err := collect(message(header, "{}"), 1000); !errors.Is(err, ErrDamaged) {
			t.Errorf("header %q: %v", header, err)
		}
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add(unhex(f, deltaHex+exceptionHex), uint8(7))
	f.Add(message(":event-type\x07\x00\x01x", "{}"), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		whole, wholeErr := collect(raw, max(len(raw), 1))
		cut, cutErr := collect(raw, max(int(step), 1))
		if fmt.Sprint(whole, wholeErr) != fmt.Sprint(cut, cutErr) {
			t.Errorf("%v %v, in pieces %v %v", whole, wholeErr, cut, cutErr)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	key := &wire.AWSKey{AccessKeyID: "AKIDEXAMPLEAKIDEXA", SecretAccessKey: secretText}
	r := &Request{Region: "eu-central-1", Service: "bedrock", Host: "bedrock-runtime.eu-central-1.amazonaws.com", Path: "/model/m/converse", ContentType: "application/json", Body: [][]byte{make([]byte, 50<<10)}}
	b.ReportAllocs()
	for b.Loop() {
		Sign(key, r, noon)
	}
}

func BenchmarkSplitter(b *testing.B) {
	raw := unhex(b, deltaHex)
	var s Splitter
	b.ReportAllocs()
	for b.Loop() {
		s.Feed(raw)
		if _, ok, err := s.Next(); !ok || err != nil {
			b.Fatal(err)
		}
	}
}

const assumedAnswer = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIATEMPORARYTEMPORA</AccessKeyId><SecretAccessKey>other</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2026-11-26T13:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`

func TestARoleIsAssumedOnceAndItsKeySigns(t *testing.T) {
	t.Parallel()
	var asked []string
	roles := NewRoles(func(private bool, r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, fmt.Sprint(private, " ", r.URL, " ", string(body), " ", strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/sts/")))
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(assumedAnswer))}, nil
	}, func() time.Time { return noon })
	own := &wire.AWSKey{AccessKeyID: "AKIDEXAMPLEAKIDEXA", SecretAccessKey: secretText}
	if key, err := roles.Key(t.Context(), wire.ID{1}, own, "eu-central-1", nil); err != nil || key != own || len(asked) > 0 {
		t.Errorf("without a role: %v %v", err, asked)
	}
	other := *own
	other.RoleARN, other.ExternalID = "arn:aws:iam::123456789012:role/x", "e+1"
	for range 2 {
		key, err := roles.Key(t.Context(), wire.ID{2}, &other, "eu-central-1", nil)
		if err != nil || key.AccessKeyID != "ASIATEMPORARYTEMPORA" || key.SecretAccessKey != "other" || key.SessionToken != "token" {
			t.Fatalf("%v", err)
		}
	}
	want := "false https://sts.eu-central-1.amazonaws.com/ Action=AssumeRole&ExternalId=e%2B1&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fx&RoleSessionName=tollgate&Version=2011-06-15 true"
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("%q", asked)
	}
	if _, err := roles.Key(t.Context(), wire.ID{3}, &other, "eu-central-1", &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/sts"}); err != nil || !strings.HasPrefix(asked[1], "true http://127.0.0.1:1/sts ") {
		t.Errorf("a stand-in: %v %q", err, asked)
	}
	if stsOf("cn-north-1").Host != "sts.cn-north-1.amazonaws.com.cn" {
		t.Error("China's STS is elsewhere")
	}
}

func TestWhatSTSRefusesIsAnError(t *testing.T) {
	t.Parallel()
	for answer, status := range map[string]int{`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`: 403, "garbage": 200, "<a/>": 200, "": 500} {
		if key, _, err := readAssumed(status, []byte(answer)); err == nil || key != nil {
			t.Errorf("%d %s: %v", status, answer, err)
		}
	}
	if _, _, err := readAssumed(403, []byte(`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`)); !strings.Contains(err.Error(), "AccessDenied") {
		t.Error(err)
	}
}
