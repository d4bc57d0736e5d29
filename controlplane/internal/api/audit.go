package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/price"
)

// priceOut is a price as the API shows it.
type priceOut = price.Price

// auditPage is a page of the audit log; the next one is before Next.
type auditPage struct {
	Items []audit.Recorded `json:"items"`
	Next  string           `json:"next"` // empty: there is no more
}

const (
	pageDefault = 100
	pageMax     = 1000
)

func auditTable(s Services) []endpoint {
	return []endpoint{{
		method: http.MethodGet, path: "/audit", permission: authz.AuditRead, summary: "What was done, newest first", status: http.StatusOK,
		parameters: []parameter{{"limit", "at most so many, 1 to 1000, default 100"}, {"before", "only what was done before this time, RFC 3339"}, {"subject_id", "only what was done to this"}},
		answer:     typeOf[auditPage](),
		serve: func(c *call) (any, error) {
			limit, before, err := pageOf(c)
			if err != nil {
				return nil, err
			}
			var wrong fault.Fields
			subject := queryID[struct{ uuid.UUID }](c, "subject_id", &wrong)
			if err := wrong.Err(); err != nil {
				return nil, err
			}
			all, err := s.Audits.List(c.ctx, c.actor, limit, before, subject.UUID)
			page := auditPage{Items: append([]audit.Recorded{}, all...)}
			if len(all) == limit {
				page.Next = all[len(all)-1].At.Format(time.RFC3339Nano)
			}
			return page, err
		},
	}}
}

// pageOf reads limit and before.
func pageOf(c *call) (limit int, before time.Time, err error) {
	var wrong fault.Fields
	limit = limitOf(c, &wrong)
	before = time.Now().Add(time.Hour) // clocks of database and program differ
	if text := c.query("before"); text != "" {
		if before, err = time.Parse(time.RFC3339, text); err != nil {
			wrong.Add("before", "write a time such as 2026-01-31T12:00:00Z")
		}
	}
	return limit, before, wrong.Err()
}

func limitOf(c *call, wrong *fault.Fields) int {
	text := c.query("limit")
	if text == "" {
		return pageDefault
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > pageMax {
		wrong.Add("limit", "write a number between 1 and %d", pageMax)
	}
	return limit
}
