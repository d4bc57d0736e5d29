package api

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/reprice"
)

// priceEnd is a body that ends a price.
type priceEnd struct {
	At time.Time `json:"at"` // none: now
}

func priceTable(s Services) []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/prices", permission: authz.PriceRead, summary: "The price catalog", status: http.StatusOK,
			parameters: []parameter{{"search", "a part of <catalog>/<model>"}}, answer: typeOf[items[priceOut]](),
			serve: func(c *call) (any, error) {
				all, err := s.Prices.List(c.ctx, c.actor, c.query("search"))
				return items[priceOut]{append([]priceOut{}, all...)}, err
			},
		},
		exportingPrices(s),
		importingPrices(s),
		listing("/prices/own", authz.PriceRead, "What the organization pays instead of the catalog's prices and what it ever paid, ceilings too", s.Prices.Own),
		creating("/prices/own", authz.PriceWrite, "Add a price of the organization's own, or a discount, from a moment on; prices in US dollars per million tokens", s.Prices.Add),
		telling("/prices/own/:id/end", authz.PriceWrite, "End a price of the organization's own, now or at a time; one that has not begun is taken back", http.StatusOK,
			func(ctx context.Context, actor authz.Actor, id ident.Price, in priceEnd) (price.Own, error) {
				return s.Prices.End(ctx, actor, id, in.At)
			}),
		{
			method: http.MethodGet, path: "/prices/unknown", permission: authz.PriceRead, status: http.StatusOK, answer: typeOf[price.Unknown](),
			summary: "What happens to calls of models that have no price, and which of the routes' models those are",
			serve:   func(c *call) (any, error) { return s.Prices.Unknown(c.ctx, c.actor) },
		},
		{
			method: http.MethodPut, path: "/prices/unknown", permission: authz.PriceWrite, status: http.StatusOK, body: typeOf[price.UnknownInput](), answer: typeOf[price.Unknown](),
			summary: "Refuse calls of models that have no price, or charge them at a ceiling",
			serve: func(c *call) (any, error) {
				var in price.UnknownInput
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.Prices.SetUnknown(c.ctx, c.actor, in)
			},
		},
		listing("/reprices", authz.PriceRead, "All re-price jobs, newest first", s.Reprices.List),
		creating("/reprices", authz.PriceWrite, "Price usage of the past again at today's books, in the background", s.Reprices.Start),
		{
			method: http.MethodPost, path: "/reprices/preview", permission: authz.PriceWrite, status: http.StatusOK, body: typeOf[reprice.Input](), answer: typeOf[reprice.Preview](),
			summary: "What a re-price job would change; it changes nothing",
			serve: func(c *call) (any, error) {
				var in reprice.Input
				if err := c.body.into(&in); err != nil {
					return nil, err
				}
				return s.Reprices.Preview(c.ctx, c.actor, in)
			},
		},
	}
}

// file is an answer that is no JSON document.
type file struct {
	name, kind string
	content    []byte
}

const csvMedia = "text/csv"

// importingPrices takes a table of the organization's own prices.
func importingPrices(s Services) endpoint {
	return endpoint{
		method: http.MethodPost, path: "/prices/import", permission: authz.PriceWrite, status: http.StatusOK, media: csvMedia, body: typeOf[string](), answer: typeOf[price.Difference](),
		summary:    "Add and change prices of the organization's own from comma-separated values, all or none; the first line names the columns as the export does",
		parameters: []parameter{{"dry_run", "true: only say what would change"}},
		serve: func(c *call) (any, error) {
			dryRun := c.query("dry_run")
			if dryRun != "" && dryRun != "true" && dryRun != "false" {
				var wrong fault.Fields
				wrong.Add("dry_run", "write true or false")
				return nil, wrong.Err()
			}
			return s.Prices.ImportOwn(c.ctx, c.actor, bytes.NewReader(c.body.raw), dryRun == "true")
		},
	}
}

// exportingPrices answers the catalog, or the organization's own prices, as a file.
func exportingPrices(s Services) endpoint {
	return endpoint{
		method: http.MethodGet, path: "/prices/export", permission: authz.PriceRead, status: http.StatusOK,
		summary: "Prices as a file, every date of them: comma-separated values in the format of an import, or one JSON object a line",
		parameters: []parameter{
			{"of", "catalog (default) or own"}, {"search", "a part of <catalog>/<model>, in the catalog"}, {"format", "csv (default) or jsonl"},
		},
		serve: func(c *call) (any, error) {
			own, lines := c.query("of") == "own", c.query("format") == "jsonl"
			var wrong fault.Fields
			if format := c.query("format"); !lines && format != "" && format != "csv" {
				wrong.Add("format", "write csv or jsonl")
			}
			if of := c.query("of"); !own && of != "" && of != "catalog" {
				wrong.Add("of", "write catalog or own")
			}
			if err := wrong.Err(); err != nil {
				return nil, err
			}
			content, err := s.exportPrices(c.ctx, c.actor, own, lines, c.query("search"))
			if err != nil {
				return nil, err
			}
			if lines {
				return file{name: "prices.jsonl", kind: "application/x-ndjson", content: content}, nil
			}
			return file{name: "prices.csv", kind: csvMedia + "; charset=utf-8", content: content}, nil
		},
	}
}

func (s Services) exportPrices(ctx context.Context, actor authz.Actor, own, lines bool, search string) ([]byte, error) {
	var content bytes.Buffer
	if own {
		all, err := s.Prices.Own(ctx, actor)
		if err != nil {
			return nil, err
		}
		write := price.WriteOwnCSV
		if lines {
			write = price.WriteJSONL[price.Own]
		}
		err = write(&content, all)
		return content.Bytes(), err
	}
	all, err := s.Prices.List(ctx, actor, search)
	if err != nil {
		return nil, err
	}
	write := price.WriteCSV
	if lines {
		write = price.WriteJSONL[price.Price]
	}
	err = write(&content, all)
	return content.Bytes(), err
}
