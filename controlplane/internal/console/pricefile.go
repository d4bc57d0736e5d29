package console

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/web/component"
	"tollgate.dev/web/priceui"
)

const (
	importPath     = ownPricesPath + "/import"
	tableBytesMax  = 512 << 10 // of a price file
	differencesMax = 200       // changes that are shown
)

// catalogFile answers what the catalog's page found, as a table.
func (c *Console) catalogFile(v *visit) error {
	all, err := c.Prices.List(v.Request().Context(), v.actor, v.QueryParam("search"))
	if err != nil {
		return err
	}
	var table bytes.Buffer
	if err := price.WriteCSV(&table, all); err != nil {
		return err
	}
	return v.attach("prices.csv", table.Bytes())
}

// ownFile answers the organization's own prices as a table that an import reads.
func (c *Console) ownFile(v *visit) error {
	all, err := c.Prices.Own(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	var table bytes.Buffer
	if err := price.WriteOwnCSV(&table, all); err != nil {
		return err
	}
	return v.attach("own-prices.csv", table.Bytes())
}

func (v *visit) attach(name string, table []byte) error {
	v.Response().Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return v.Blob(http.StatusOK, "text/csv; charset=utf-8", table)
}

// importPrices says what a file would change, and applies it when it is sent again from there.
func (c *Console) importPrices(v *visit) error {
	if err := v.actor.Require(authz.PriceWrite); err != nil {
		return err
	}
	page, status := priceui.Import{
		CSRF: v.csrf(), Columns: strings.Join(price.Columns(), ", "),
		File: component.Field{Name: "file", Label: "Price file", Kind: "file", Help: "CSV in UTF-8, at most " + strconv.Itoa(tableBytesMax>>10) + " KiB."},
	}, http.StatusOK
	if v.posted() {
		table, apply, err := tableOf(v)
		var found price.Difference
		if err == nil {
			found, err = c.Prices.ImportOwn(v.Request().Context(), v.actor, strings.NewReader(table), !apply)
		}
		switch what := fault.Of(err); {
		case err == nil && apply:
			return c.done(v, ownPricesPath, "Your prices are kept: "+summary(found)+". Edges have them in a moment.")
		case err == nil:
			c.showDifference(&page, found, table)
		case what.Kind == fault.Invalid, what.Kind == fault.Conflict:
			status = http.StatusUnprocessableEntity
			page.File.Error, page.Wrong = wrongIn(what)
		default:
			return err
		}
	}
	return c.draw(v, view{Title: "Import prices", Active: "/prices", Crumbs: under("Your prices", ownPricesPath), Status: status, Content: priceui.ImportPage(page)})
}

// tableOf returns the table that was sent: from a file, or once more to be applied.
func tableOf(v *visit) (table string, apply bool, err error) {
	if table = v.FormValue("table"); table != "" {
		return table, true, nil
	}
	var wrong fault.Fields
	sent, err := v.FormFile("file")
	switch {
	case errors.Is(err, http.ErrMissingFile) || err == nil && sent.Size == 0:
		wrong.Add("file", "choose a file that is not empty")
		return "", false, wrong.Err()
	case err != nil:
		return "", false, fault.Wrap(fault.Invalid, err, "the form was sent in a way that cannot be read")
	case sent.Size > tableBytesMax:
		wrong.Add("file", "a file may have %d KiB; divide it into several", tableBytesMax>>10)
		return "", false, wrong.Err()
	}
	file, err := sent.Open()
	if err != nil {
		return "", false, err
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(file)
	return string(raw), false, err
}

// wrongIn divides what is wrong into the message at the file's field and mistakes in the table.
func wrongIn(what *fault.Error) (atFile string, inTable []priceui.Wrong) {
	for _, field := range what.Fields {
		if field.Name == "file" {
			return sentence(field.Message), nil
		}
		inTable = append(inTable, priceui.Wrong{Where: field.Name, Message: field.Message})
	}
	if len(inTable) == 0 {
		return sentence(what.Message), nil
	}
	return "", inTable
}

func summary(found price.Difference) string {
	return grouped(int64(found.Added)) + " added, " + grouped(int64(found.Changed)) + " changed, " + grouped(int64(found.Unchanged)) + " unchanged"
}

func (c *Console) showDifference(page *priceui.Import, found price.Difference, table string) {
	page.Tried, page.Summary = true, summary(found)
	if page.Apply = len(found.Changes) > 0; page.Apply {
		page.Table = table
	}
	for i, each := range found.Changes {
		if i == differencesMax {
			page.More = "And " + grouped(int64(len(found.Changes)-differencesMax)) + " more, which are not shown here."
			break
		}
		row := priceui.ChangeRow{
			Line: strconv.Itoa(each.Line), State: component.Badge{Text: "added", Tone: component.OK}, Model: cmp.Or(each.After.Model, "every model"),
			About: aboutPrice(each.After), Was: "–", Says: saysPrice(each.After), From: component.At(each.After.EffectiveAt, "minute"),
		}
		if each.Before != nil {
			row.State, row.Was = component.Badge{Text: "changed", Tone: component.Warn}, saysPrice(*each.Before)
		}
		page.Changes = append(page.Changes, row)
	}
}

func aboutPrice(one price.Own) string {
	text := one.Catalog
	if one.Service != "" {
		text += ", " + one.Service
	}
	if one.AboveTokens > 0 {
		text += ", above " + grouped(int64(one.AboveTokens)) + " tokens in"
	}
	return text
}

// saysPrice is a price in words: a discount, or what input and output cost, and until when where it ends.
func saysPrice(one price.Own) string {
	text := million(one.InputPico) + " in, " + million(one.OutputPico) + " out"
	if one.CachedInputPico != one.InputPico {
		text += ", " + million(one.CachedInputPico) + " cached"
	}
	if one.Kind == price.Discount {
		text = percentText(one.DiscountPerMille) + " off the list"
	}
	if one.EndedAt != nil {
		text += ", until " + one.EndedAt.UTC().Format("2006-01-02 15:04 UTC")
	}
	return text
}
