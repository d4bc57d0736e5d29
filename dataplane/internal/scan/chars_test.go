package scan

import "testing"

func TestCharsCountsWhatIsRead(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"not counted","messages":[{"role":"user","content":"aé€😀\n\u00e9\ud83d\ude00\\"},{"role":"user","content":"bc"}]}`)
	var r Result
	if err := r.Scan(body); err != nil {
		t.Fatal(err)
	}
	if got := Chars(body, r.Texts); got != 10 {
		t.Errorf("%d characters, want 10", got)
	}
}
