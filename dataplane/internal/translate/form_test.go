package translate

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

func TestPartsThatTwoReadersCouldTakeDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	const kind = `multipart/form-data; boundary=b`
	sound := "Content-Disposition: form-data; name=\"model\""
	for head, ok := range map[string]bool{
		sound:                                  true,
		sound + "\r\nContent-Type: text/plain": true,
		sound + "; filename=\"a\"\r\nContent-Transfer-Encoding: binary": true,
		"":                         false,
		"X: y":                     false,
		"X: y\n" + sound:           false,
		sound + "\r\n" + sound:     false,
		sound + "\r\n; filename=a": false,
		sound + ";\r\n filename=a": false,
		sound + "\rX: y":           false,
		sound + "\x00":             false,
		"Content-Disposition : form-data; name=\"model\"":            false,
		"Content-Disposition: form-data\r\n" + sound:                 false,
		"Content-Disposition: form-data; name=\"a\"; name=\"model\"": false,
		"Content-Disposition: attachment; name=\"model\"":            false,
		sound + "\r\nContent-Transfer-Encoding: base64":              false,
		sound + "\r\ncontent-transfer-encoding: quoted-printable":    false,
		"Content-Transfer-Encoding: x\r\n" + sound:                   false,
	} {
		if _, problem := readForm(kind, []byte("--b\r\n"+head+"\r\n\r\nx\r\n--b--\r\n")); (problem == nil) != ok {
			t.Errorf("%q: %v", head, problem)
		}
	}
}

// FuzzForm: a form that is taken has the same parts for the standard library, as far as that reads it.
func FuzzForm(f *testing.F) {
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: x\r\n\r\ny\r\n--b--\r\n"))
	f.Add("multipart/form-data; boundary=\"--\"", []byte("----\r\ncontent-disposition:form-data;name*=utf-8''a\r\n\r\n\r\n------"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		parts, problem := readForm(kind, body)
		if problem != nil {
			return
		}
		_, parameters, _ := mime.ParseMediaType(kind)
		theirs := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
		for i, ours := range parts {
			part, err := theirs.NextRawPart()
			if err != nil {
				return
			}
			content, err := io.ReadAll(part)
			if err != nil {
				return
			}
			if part.FormName() != ours.name || string(content) != string(body[ours.at.Start:ours.at.End]) || ours.file != strings.Contains(strings.ToLower(part.Header.Get("Content-Disposition")), "filename") && part.FileName() != "" {
				t.Fatalf("part %d of %q is %+v here, and %q %q there", i, body, ours, part.FormName(), content)
			}
		}
	})
}
