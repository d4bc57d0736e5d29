package simulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The access key that Bedrock's stand-in knows.
const (
	AWSKeyID  = "AKIASIMULATOR0000000"
	AWSSecret = "simulators-secret-that-opens-nothing" //nolint:gosec // as it says
)

// What STS's stand-in gives for every role whose name has no "wrong" in it.
const (
	assumedKeyID  = "ASIASIMULATOR0000000"
	assumedSecret = "simulators-secret-of-an-assumed-role" //nolint:gosec // it opens nothing
	assumedToken  = "simulators-session-token"
	assumedFor    = time.Hour
)

const (
	stampStyle = "20060102T150405Z"
	stampSkew  = 15 * time.Minute // Amazon's own
)

// unsigned says what is wrong with the signature of a request, in Amazon's words; empty: nothing
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html).
func (s *Simulator) unsigned(r *http.Request, service string, body []byte) string {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "Missing Authentication Token"
	}
	said := map[string]string{}
	for field := range strings.SplitSeq(fields, ", ") {
		name, value, _ := strings.Cut(field, "=")
		said[name] = value
	}
	scope := strings.Split(said["Credential"], "/")
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(stampStyle, stamp)
	if err != nil || len(scope) != 5 || scope[1] != stamp[:8] || scope[3] != service || scope[4] != "aws4_request" {
		return "Credential should be scoped to a valid date and to the correct service: '" + service + "'."
	}
	if skew := s.now().Sub(at); skew < -stampSkew || skew > stampSkew {
		return "Signature expired: " + stamp + " is now earlier than the time allowed."
	}
	secret, token := AWSSecret, ""
	if scope[0] == assumedKeyID {
		secret, token = assumedSecret, assumedToken
	}
	if scope[0] != AWSKeyID && scope[0] != assumedKeyID || r.Header.Get("X-Amz-Security-Token") != token {
		return "The security token included in the request is invalid."
	}
	canonical := canonical(r, said["SignedHeaders"], body)
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + secret)
	for _, part := range append(scope[1:], "AWS4-HMAC-SHA256\n"+stamp+"\n"+strings.Join(scope[1:], "/")+"\n"+hex.EncodeToString(sum[:])) {
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, part)
		key = mac.Sum(nil)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(key)), []byte(said["Signature"])) {
		return "The request signature we calculated does not match the signature you provided. The Canonical String for this request should have been\n'" + canonical + "'"
	}
	return ""
}

// canonical returns the request as Amazon writes it before it signs. The host and all that is Amazon's own must be among what is signed.
func canonical(r *http.Request, names string, body []byte) string {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	var text strings.Builder
	text.WriteString(r.Method + "\n" + strings.ReplaceAll(url.QueryEscape(path), "%2F", "/") + "\n" + query + "\n")
	signed := strings.Split(names, ";")
	for _, name := range signed {
		value := strings.Join(strings.Fields(strings.Join(r.Header.Values(name), ",")), " ")
		if name == "host" {
			value = r.Host
		}
		text.WriteString(name + ":" + value + "\n")
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !strings.Contains(";"+names+";", ";"+name+";") {
			text.WriteString(name + ": was not signed\n")
		}
	}
	if !strings.Contains(";"+names+";", ";host;") {
		text.WriteString("host: was not signed\n")
	}
	sum := sha256.Sum256(body)
	text.WriteString("\n" + names + "\n" + hex.EncodeToString(sum[:]))
	return text.String()
}

type assumedRole struct {
	XMLName xml.Name `xml:"AssumeRoleResponse"`
	ID      string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret  string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token   string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Until   string   `xml:"AssumeRoleResult>Credentials>Expiration"`
}

type refusedRole struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

// assume stands in for STS's AssumeRole (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
func (s *Simulator) assume(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	asked, wrong := url.ParseQuery(string(body))
	switch problem := s.unsigned(r, "sts", body); {
	case err != nil || wrong != nil || asked.Get("Action") != "AssumeRole" || asked.Get("Version") != "2011-06-15" || asked.Get("RoleSessionName") == "":
		writeXML(w, http.StatusBadRequest, refusedRole{Code: "ValidationError", Message: "The request is no AssumeRole."})
	case problem != "":
		writeXML(w, http.StatusForbidden, refusedRole{Code: "SignatureDoesNotMatch", Message: problem})
	case keyRefused(asked.Get("RoleArn")):
		writeXML(w, http.StatusForbidden, refusedRole{Code: "AccessDenied", Message: "User is not authorized to perform: sts:AssumeRole on resource: " + asked.Get("RoleArn")})
	default:
		until := s.now().UTC().Add(assumedFor).Format(time.RFC3339)
		writeXML(w, http.StatusOK, assumedRole{ID: assumedKeyID, Secret: assumedSecret, Token: assumedToken, Until: until})
	}
}

func writeXML(w http.ResponseWriter, status int, body any) {
	raw, err := xml.Marshal(body)
	if err != nil { // our own types: cannot happen
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// appendFrame appends an event as a message of an AWS event stream (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html).
func appendFrame(dst []byte, name string, data []byte) []byte {
	var headers bytes.Buffer
	for _, field := range [...][2]string{{":event-type", name}, {":content-type", "application/json"}, {":message-type", "event"}} {
		headers.WriteByte(byte(len(field[0])))
		headers.WriteString(field[0])
		headers.WriteByte(7) // a string
		headers.Write(binary.BigEndian.AppendUint16(nil, uint16(len(field[1]))))
		headers.WriteString(field[1])
	}
	from := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(16+headers.Len()+len(data)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(headers.Len()))
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[from:]))
	dst = append(append(dst, headers.Bytes()...), data...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[from:]))
}
