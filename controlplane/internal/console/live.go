package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// part is one piece of a page that changes while one looks; its name is the event's.
type part struct {
	name    string
	content templ.Component
}

const (
	liveMax   = 5 * time.Minute // then the browser comes again, and is asked again who it is
	pulse     = 15 * time.Second
	liveApart = 400 * time.Millisecond // between two looks, however much happens
)

// stream sends the parts that have changed, whenever something happened and every so often. A part that looks as before is not sent.
func (c *Console) stream(v *visit, changes <-chan struct{}, every time.Duration, look func() ([]part, error)) error {
	header := v.Response().Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("X-Accel-Buffering", "no")
	v.Response().WriteHeader(http.StatusOK)
	v.Response().Flush()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	end := time.NewTimer(liveMax)
	defer end.Stop()
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	sent := map[string]string{}
	last := c.config.Now()
	for {
		if err := c.sendChanged(v, sent, look); err != nil {
			return err
		}
		select {
		case <-v.Request().Context().Done():
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			if _, err := v.Response().Write([]byte(": still here\n\n")); err != nil {
				return nil
			}
			v.Response().Flush()
		case <-ticker.C:
		case _, more := <-changes:
			if !more {
				changes = nil
			}
			rest(v, liveApart-c.config.Now().Sub(last))
		}
		last = c.config.Now()
	}
}

// rest waits, or until the browser has gone.
func rest(v *visit, wait time.Duration) {
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-v.Request().Context().Done():
	}
}

// sendChanged writes what differs from what was sent. What the page shows already is sent once at the start: it may be older.
func (c *Console) sendChanged(v *visit, sent map[string]string, look func() ([]part, error)) error {
	parts, err := look()
	if err != nil {
		return err
	}
	wrote := false
	for _, one := range parts {
		text, err := c.render(v, one.content)
		if err != nil {
			return err
		}
		if sent[one.name] == text {
			continue
		}
		sent[one.name] = text
		if _, err := fmt.Fprintf(v.Response(), "event: %s\n%s\n", one.name, dataLines(text)); err != nil {
			return nil //nolint:nilerr // the browser has gone
		}
		wrote = true
	}
	if wrote {
		v.Response().Flush()
	}
	return nil
}

func dataLines(text string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		out.WriteString("data: ")
		out.WriteString(strings.TrimSuffix(line, "\r"))
		out.WriteByte('\n')
	}
	return out.String()
}
