package door

import (
	"net/http"
	"net/textproto"
	"strings"
)

const (
	headBytesMax  = 64 << 10
	fieldsMax     = 64
	lengthDigits  = 15
	requestSuffix = " HTTP/1.1"
)

// head is what a request's head says.
type head struct {
	path   string
	host   string
	length int64
	close  bool // the caller wants the connection closed
}

// parse reads a head, its empty line included, into fields. ok is false for whatever is not plainly a POST of announced length: the
// standard server shall judge it (RFC 9112 §2 to §6).
func parse(text string, fields http.Header, values []string) (h head, ok bool) {
	line, rest, _ := strings.Cut(text, "\r\n")
	path, isPost := strings.CutPrefix(line, "POST ")
	path, isOne := strings.CutSuffix(path, requestSuffix)
	if !isPost || !isOne || !plainPath(path) {
		return head{}, false
	}
	h.path, h.length = path, -1
	for rest != "\r\n" {
		line, rest, ok = strings.Cut(rest, "\r\n")
		if !ok || len(fields) == fieldsMax {
			return head{}, false
		}
		colon := strings.IndexByte(line, ':')
		if colon <= 0 || !token(line[:colon]) {
			return head{}, false
		}
		value := strings.Trim(line[colon+1:], " \t")
		if !plainValue(value) {
			return head{}, false
		}
		name := textproto.CanonicalMIMEHeaderKey(line[:colon])
		known, again := fields[name]
		if !h.field(name, value, again) {
			return head{}, false
		}
		switch {
		case name == "Host": // stands in http.Request.Host alone
		case again:
			fields[name] = append(known, value)
		default:
			values = append(values, value)
			fields[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	return h, h.host != "" && h.length >= 0
}

// field takes what decides on the framing. It is false for what the standard server shall judge.
func (h *head) field(name, value string, again bool) bool {
	switch name {
	case "Host":
		if h.host != "" || !plainHost(value) {
			return false
		}
		h.host = value
	case "Content-Length":
		length, ok := digits(value)
		if again || !ok {
			return false
		}
		h.length = length
	case "Connection":
		if again {
			return false
		}
		h.close = strings.EqualFold(value, "close")
		return h.close || strings.EqualFold(value, "keep-alive")
	case "Transfer-Encoding", "Trailer", "Upgrade", "Expect", "Te", "Http2-Settings", "Proxy-Connection", "Keep-Alive":
		return false
	}
	return true
}

func digits(text string) (n int64, ok bool) {
	if text == "" || len(text) > lengthDigits {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(text[i]-'0')
	}
	return n, true
}

// plainPath says whether the path needs no decoding.
func plainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// plainHost says whether the text is a name or an IPv4 address, with or without a port.
func plainHost(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == ':':
		default:
			return false
		}
	}
	return host != ""
}

func plainValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// token says whether a field's name is one (RFC 9110 §5.6.2).
func token(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return true
}
