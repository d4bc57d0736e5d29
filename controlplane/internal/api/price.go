package api

import (
	"bytes"
	"net/http"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/price"
)

// file is an answer that is no JSON document.
type file struct {
	name, kind string
	content    []byte
}

// exportingPrices answers the catalog as a file.
func exportingPrices(s Services) endpoint {
	return endpoint{
		method: http.MethodGet, path: "/prices/export", permission: authz.PriceRead, status: http.StatusOK,
		summary: "The price catalog as a file, every date of it: comma-separated values in the catalog's own format, or one JSON object a line",
		parameters: []parameter{
			{"search", "a part of <catalog>/<model>"}, {"format", "csv (default) or jsonl"},
		},
		serve: func(c *call) (any, error) {
			out, write := file{name: "prices.csv", kind: "text/csv; charset=utf-8"}, price.WriteCSV
			switch c.query("format") {
			case "", "csv":
			case "jsonl":
				out, write = file{name: "prices.jsonl", kind: "application/x-ndjson"}, price.WriteJSONL
			default:
				var wrong fault.Fields
				wrong.Add("format", "write csv or jsonl")
				return nil, wrong.Err()
			}
			all, err := s.Prices.List(c.ctx, c.actor, c.query("search"))
			if err != nil {
				return nil, err
			}
			var content bytes.Buffer
			if err := write(&content, all); err != nil {
				return nil, err
			}
			out.content = content.Bytes()
			return out, nil
		},
	}
}
