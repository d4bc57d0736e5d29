package web_test

import (
	"tollgate.dev/web/component"
	"tollgate.dev/web/priceui"
)

func priceStories() []story {
	field := func(name, label, value, wrong string) component.Field {
		return component.Field{Name: name, Label: label, Value: value, Error: wrong}
	}
	form := priceui.RepriceForm{
		Form: component.Form{ID: "reprice-form", Action: "/prices/reprice/new", CSRF: "token", Cancel: "/prices/reprice"}, Catalog: field("catalog", "Catalog", "openai", ""), Model: field("model", "Model", "", ""),
		From: field("from", "From", "2026-11-01", ""), Until: field("until", "Until", "", ""), Reason: field("reason", "Reason", "Contract 4711 came late", ""),
	}
	refused, previewed := form, form
	refused.From, refused.Message = field("from", "From", "soon", "Enter a day such as 2026-01-31."), "Another re-price job is under way."
	previewed.Preview = &priceui.RepricePreview{
		Figures: []component.Stat{{Label: "Difference", Value: "-$402.11", Note: "$1,204.88 → $802.77", TestID: "preview-difference"}, {Label: "Calls to correct", Value: "18,204", Note: "of 20,001 looked at"}},
		Notes:   []string{"3 calls are left out: their cost cannot be told again from what is kept."}, Start: true,
		Chosen: []component.Field{{Name: "from", Value: "2026-11-01"}, {Name: "reason", Value: "Contract 4711 came late"}},
	}
	file := component.Field{Name: "file", Label: "Price file", Kind: "file"}
	columns := "catalog, model, effective, until, service, above_tokens, percent_off, input, output"
	return []story{
		{name: "prices-own-empty", title: "Your prices", active: "Prices", content: priceui.OwnPage(priceui.OwnList{MayAdd: true})},
		{name: "prices-own", title: "Your prices", active: "Prices", content: priceui.OwnPage(priceui.OwnList{MayAdd: true, Rows: []priceui.OwnRow{
			{ID: "o1", Model: "gpt-4o", Catalog: "openai", Input: "$2.00", ListInput: "$2.50", CachedInput: "$1.00", Output: "$8.00", ListOutput: "$10.00", From: component.At(noon, "minute"), Note: "Contract 4711", By: "ada@example.com", State: component.Badge{Text: "in force", Tone: component.OK}, EndHref: "/prices/own/o1/end"},
			{ID: "o2", Model: "every model", Catalog: "azure", Discount: "15%", From: component.At(noon, "minute"), Until: component.At(noon, "minute"), By: "deploy", State: component.Badge{Text: "past", Tone: component.Plain}},
		}})},
		{name: "prices-import", title: "Import prices", active: "Prices", content: priceui.ImportPage(priceui.Import{CSRF: "token", File: file, Columns: columns, Tried: true, Apply: true, Table: "catalog,model\n\"a\",b\n", Summary: "1 added, 1 changed, 20 unchanged", More: "And 3 more, which are not shown here.", Changes: []priceui.ChangeRow{
			{Line: "2", State: component.Badge{Text: "added", Tone: component.OK}, Model: "gpt-4o", About: "openai, batch", Was: "–", Says: "$1.25 in, $5.00 out", From: component.At(noon, "minute")},
			{Line: "3", State: component.Badge{Text: "changed", Tone: component.Warn}, Model: "every model", About: "azure", Was: "15% off the list", Says: "17.5% off the list", From: component.At(noon, "minute")},
		}})},
		{name: "prices-import-wrong", title: "Import prices", active: "Prices", content: priceui.ImportPage(priceui.Import{CSRF: "token", File: file, Columns: columns, Wrong: []priceui.Wrong{{Where: "line 2, input", Message: "“1.5” is not a whole number"}, {Where: "line 7", Message: "wrong number of fields"}}})},
		{name: "reprices-empty", title: "Re-price", active: "Prices", content: priceui.RepricePage(priceui.RepriceList{MayStart: true})},
		{name: "reprices", title: "Re-price", active: "Prices", content: priceui.RepricePage(priceui.RepriceList{MayStart: true, Running: true, Rows: []priceui.RepriceRow{
			{ID: "r1", Reason: "Contract 4711 came late", What: "openai/gpt-4o", From: component.At(noon, "minute"), Until: component.At(noon, "minute"), State: component.Badge{Text: "under way, 40%", Tone: component.Info}, Seen: "8,000", Changed: "7,204", Before: "$602.44", After: "$401.38", Difference: "-$201.06", By: "ada@example.com", Created: component.At(noon, "minute"), Audit: "/audit?subject=r1"},
			{ID: "r2", Reason: "Price list of January", What: "every model", From: component.At(noon, "minute"), Until: component.At(noon, "minute"), State: component.Badge{Text: "done", Tone: component.OK}, Seen: "20,001", Changed: "0", LeftOut: "3 left out", Before: "$0.00", After: "$0.00", Difference: "$0.00", By: "deploy", Created: component.At(noon, "minute")},
		}})},
		{name: "reprice-refused", title: "Re-price usage", active: "Prices", content: priceui.RepriceFormPage(refused)},
		{name: "reprice-preview", title: "Re-price usage", active: "Prices", content: priceui.RepriceFormPage(previewed)},
	}
}
