package console

import (
	"bytes"
	"encoding/json"
	"net/url"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/web/auditui"
	"tollgate.dev/web/component"
)

const auditPage = 50

func (c *Console) audit(v *visit) error {
	before, err := time.Parse(time.RFC3339Nano, v.QueryParam("before"))
	first := err != nil
	if first {
		before = c.config.Now().Add(time.Minute)
	}
	subject, err := uuid.Parse(v.QueryParam("subject"))
	if err != nil {
		subject = uuid.Nil
	}
	all, err := c.Audit.List(v.Request().Context(), v.actor, auditPage, before, subject)
	if err != nil {
		return err
	}
	list, of := auditui.List{}, ""
	if subject != uuid.Nil {
		list.Every, of = "/audit", "subject="+subject.String()
	}
	for _, one := range all {
		kind := one.ActorKind
		if kind == "api_token" {
			kind = "API token"
		}
		list.Rows = append(list.Rows, auditui.Row{
			ID: one.ID.String(), At: component.At(one.At, "moment"), Actor: one.ActorName, ActorKind: kind, Address: one.ActorAddress, Action: one.Action,
			Subject: one.SubjectName, Generation: grouped(int64(one.Generation)), Before: indented(one.Before), After: indented(one.After),
		})
	}
	if !first {
		list.Pager.First = "/audit?" + of
	}
	if len(all) == auditPage {
		list.Pager.Older = "/audit?" + of + "&before=" + url.QueryEscape(all[len(all)-1].At.UTC().Format(time.RFC3339Nano))
	}
	return c.draw(v, view{Title: "Audit", Active: "/audit", Content: auditui.Page(list)})
}

func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if len(raw) == 0 || json.Indent(&out, raw, "", "  ") != nil {
		return ""
	}
	return out.String()
}
