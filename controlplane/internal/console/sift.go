package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tollgate.dev/web/component"
)

const (
	unsearched = 12 // so many are seen at a glance
	pageLong   = 50
)

// sift keeps of a list what the address searches for in what is said of each, and of that the page that it asks for. The label says where it looks.
func sift[T any](v *visit, all []T, label string, said func(T) string) ([]T, component.Sifted) {
	search, found := strings.TrimSpace(v.QueryParam("search")), all
	shown := component.Sifted{Path: v.Request().URL.Path}
	if search != "" {
		found = slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !containsFold(said(one), search) })
		shown.Count = grouped(int64(len(found))) + " of " + grouped(int64(len(all)))
	}
	if len(all) > unsearched || search != "" {
		shown.Search = component.Field{Name: "search", Label: label, Kind: "search", Value: search, Optional: true}
	}
	found, shown.Paging = pageOf(v, found, pageLong)
	return found, shown
}

// pageOf cuts out of a list the page that the address asks for. What is no number is the first.
func pageOf[T any](v *visit, all []T, long int) ([]T, component.Paging) {
	if len(all) <= long {
		return all, component.Paging{}
	}
	last := (len(all) - 1) / long
	number, _ := strconv.Atoi(v.QueryParam("page"))
	number = min(max(number-1, 0), last)
	link := func(to int) string {
		if to < 0 || to > last {
			return ""
		}
		return v.Request().URL.Path + "?" + changed(v, "page", strconv.Itoa(to+1)).Encode()
	}
	from, until := number*long, min((number+1)*long, len(all))
	return all[from:until], component.Paging{
		Shown:    fmt.Sprintf("%s–%s of %s", grouped(int64(from+1)), grouped(int64(until)), grouped(int64(len(all)))),
		Previous: link(number - 1), Next: link(number + 1),
	}
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
