package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/egress"
)

// sendMax is how long one attempt may take.
const (
	sendMax        = 15 * time.Second
	answerBytesMax = 4 << 10
)

// Sender carries messages out of the house, always through egress. Make one with NewSender.
type Sender struct {
	client *http.Client
	dialer *egress.Dialer
	mail   Mail
	base   string
	plain  bool
	now    func() time.Time
}

// NewSender returns a Sender that may dial private addresses in the allowed ranges alone, whose mail goes by that server, and whose
// links lead below base.
func NewSender(allow []netip.Prefix, mail Mail, base *url.URL, now func() time.Time) *Sender {
	dialer := egress.New(allow)
	return &Sender{client: dialer.Client(true, sendMax), dialer: dialer, mail: mail, base: strings.TrimRight(base.String(), "/"), plain: len(allow) > 0, now: now}
}

// send makes one attempt. An error is ours: the message or the channel cannot be read.
func (s *Sender) send(ctx context.Context, to Channel, keep secrets, id ident.Delivery, m Message) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, sendMax)
	defer cancel()
	if m.Matter == "" {
		m.Matter = id.String()
	}
	link := s.base + m.Path
	if to.Kind == Email {
		return s.sendMail(ctx, to.Addresses, id, m, link)
	}
	var body []byte
	var headers map[string]string
	var err error
	switch to.Kind {
	case Slack:
		body, err = slackBody(m, link)
	case Teams:
		body, err = teamsBody(m, link)
	case PagerDuty:
		body, err = pagerDutyBody(m, link, keep.Key)
	default:
		if body, err = webhookBody(m, link); err == nil {
			headers, err = sign(keep.Signing, id, s.now(), body)
		}
	}
	if err != nil {
		return answer{}, fmt.Errorf("write the message for %s: %w", to.Kind, err)
	}
	return s.post(ctx, keep.URL, headers, body)
}

func (s *Sender) post(ctx context.Context, address string, headers map[string]string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the channel's address cannot be used") // the cause would show it
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Tollgate/1 (alerts)")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return unanswered(err), nil
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerBytesMax)) // what it says is not ours to keep
	return answered(response, s.now()), nil
}

// answered judges an answer by its status.
func answered(response *http.Response, now time.Time) answer {
	got := answer{status: response.StatusCode, after: retryAfter(response.Header.Get("Retry-After"), now)}
	switch status := response.StatusCode; {
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		got.ok, got.text = true, "accepted"
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		got.final, got.text = true, "it redirects, which is not followed: enter the address that it redirects to"
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		got.text = "it asks to come back later"
	case status < http.StatusInternalServerError:
		got.final, got.text = true, "it refuses: is the address still right, and the workflow or integration still there?"
	default:
		got.text = "it has a problem of its own"
	}
	return got
}

// unanswered says why there is no answer, in the words of egress and one sentence more.
func unanswered(err error) answer {
	for _, known := range []error{egress.ErrForbidden, egress.ErrUnresolved, egress.ErrUnreachable} {
		if errors.Is(err, known) {
			return answer{text: known.Error()}
		}
	}
	return answer{text: "there was no whole answer in time"}
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0: none.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, int(pauseMax/time.Second)))*time.Second, pauseMax)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
