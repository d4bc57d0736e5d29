package aws

import "testing"

// FuzzAssumed: whatever STS answers is an error or a whole key that ends.
func FuzzAssumed(f *testing.F) {
	f.Add(200, []byte(assumedAnswer))
	f.Add(403, []byte(`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`))
	f.Add(200, []byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, status int, answer []byte) {
		key, until, err := readAssumed(status, answer)
		if (key == nil) != (err != nil) || key != nil && (status != 200 || key.AccessKeyID == "" || key.SecretAccessKey == "" || key.SessionToken == "" || until.IsZero()) {
			t.Errorf("%d %q: %v", status, answer, err)
		}
	})
}
