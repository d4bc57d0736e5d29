package translate

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// formPart is one field or file of a form.
type formPart struct {
	name     string
	file     bool
	filename string
	kind     string     // its content type; empty: none is said
	at       scan.Value // of its content in the body
}

// Part is one field or file of a form.
type Part struct {
	Name     string
	File     bool
	Filename string
	Kind     string // its content type; empty: none is said
	Content  []byte
}

// Form takes a form apart. What is in it stays in the body.
func Form(contentType string, body []byte) ([]Part, *refusal.Error) {
	found, problem := readForm(contentType, body)
	parts := make([]Part, len(found))
	for i, one := range found {
		parts[i] = Part{one.name, one.file, one.filename, one.kind, body[one.at.Start:one.at.End]}
	}
	return parts, problem
}

const partsMax = 64

// readForm finds the parts of a form (RFC 7578) in its body, which stays as it is.
func readForm(contentType string, body []byte) ([]formPart, *refusal.Error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	boundary := parameters["boundary"]
	if err != nil || kind != "multipart/form-data" || boundary == "" || len(boundary) > 70 {
		return nil, refusal.New(http.StatusUnsupportedMediaType, wire.CodeUnsupportedFormat, "The body must be a form: multipart/form-data with a boundary.")
	}
	mark := []byte("\r\n--" + boundary)
	first := mark[2:]
	if !bytes.HasPrefix(body, first) {
		return nil, badForm("it does not begin with its boundary")
	}
	at := len(first)
	var parts []formPart
	for !bytes.HasPrefix(body[at:], []byte("--")) {
		if !bytes.HasPrefix(body[at:], []byte("\r\n")) || len(parts) == partsMax {
			return nil, badForm("its boundaries cannot be read, or it has too many parts")
		}
		head := bytes.Index(body[at:], []byte("\r\n\r\n"))
		if head < 0 {
			return nil, badForm("a part has no end")
		}
		from := at + head + len("\r\n\r\n")
		end := bytes.Index(body[from:], mark)
		if end < 0 {
			return nil, badForm("a part has no end")
		}
		one, ok := readPart(body[at:from])
		if !ok {
			return nil, badForm("a part has no name")
		}
		one.at = scan.Value{Start: from, End: from + end}
		parts = append(parts, one)
		at = from + end + len(mark)
	}
	return parts, nil
}

// readPart reads what a part is. A head that other readers could take differently has no name: folded lines, bare line ends, a field that
// stands twice, and contents in a coding of their own.
func readPart(head []byte) (formPart, bool) {
	var one formPart
	named := false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) == 0 { // before the first and behind the last
			continue
		}
		name, value, found := strings.Cut(string(line), ":")
		if !found || strings.ContainsAny(name, " \t") || bytes.ContainsAny(line, "\r\n\x00") {
			return formPart{}, false
		}
		switch strings.ToLower(name) {
		case "content-type":
			one.kind = strings.TrimSpace(value)
		case "content-transfer-encoding":
			if coding := strings.ToLower(strings.TrimSpace(value)); coding != "binary" && coding != "8bit" && coding != "7bit" {
				return formPart{}, false
			}
		case "content-disposition":
			kind, parameters, err := mime.ParseMediaType(value)
			if err != nil || kind != "form-data" || named {
				return formPart{}, false
			}
			named = true
			one.filename, one.file = parameters["filename"]
			one.name = parameters["name"]
		}
	}
	return one, one.name != ""
}

func badForm(reason string) *refusal.Error {
	return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The form cannot be read: "+reason+".")
}
