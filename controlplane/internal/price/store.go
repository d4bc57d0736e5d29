package price

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price/internal/pricedb"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the catalog inside the caller's transaction. It is for publish and reprice.
func List(ctx context.Context, tx pgx.Tx) ([]Price, error) { return list(ctx, tx, "") }

// Former returns rows of the catalog by id, those too that are charged no more. It is for reprice.
func Former(ctx context.Context, tx pgx.Tx, ids []ident.Price) ([]Price, error) {
	rows, err := pricedb.New(tx).ListFormerPrices(ctx, raw(ids))
	if err != nil {
		return nil, fmt.Errorf("list former prices: %w", err)
	}
	all := make([]Price, len(rows))
	for i, row := range rows {
		all[i] = fromRow(pricedb.ListPricesRow(row))
	}
	return all, nil
}

// ListOwn returns all that an organization ever paid instead of the catalog's prices, inside a transaction that has entered org. It is
// for publish and reprice.
func ListOwn(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Own, error) {
	rows, err := pricedb.New(tx).ListOwnPrices(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list own prices of %s: %w", org, err)
	}
	all := make([]Own, len(rows))
	for i, row := range rows {
		all[i] = Own{Kind: Kind(row.Kind), EndedAt: row.EndedAt, DiscountPerMille: row.DiscountPerMille, Note: row.Note, CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, Price: Price{
			ID: row.PriceID, Catalog: row.Catalog, Model: row.Model, EffectiveAt: row.EffectiveAt.UTC(), AboveTokens: row.AboveTokens, Service: row.Service,
			InputPico: row.InputPico, CachedInputPico: row.CachedInputPico, CacheWritePico: row.CacheWritePico, CacheWriteHourPico: row.CacheWriteHourPico,
			OutputPico: row.OutputPico, ReasoningPico: row.ReasoningPico, AudioInputPico: row.AudioInputPico, AudioOutputPico: row.AudioOutputPico,
			ImageInputPico: row.ImageInputPico, ImageOutputPico: row.ImageOutputPico, ImagePico: row.ImagePico, CharacterPico: row.CharacterPico, AudioSecondPico: row.AudioSecondPico, SearchPico: row.SearchPico,
			RequestPico: row.RequestPico, ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
		}}
	}
	return all, nil
}

// list returns the prices whose "<catalog>/<model>" contains the text, without regard to case.
func list(ctx context.Context, tx pgx.Tx, search string) ([]Price, error) {
	rows, err := pricedb.New(tx).ListPrices(ctx, strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(search), "\x00", ""), ""))
	if err != nil {
		return nil, fmt.Errorf("list prices: %w", err)
	}
	all := make([]Price, len(rows))
	for i, row := range rows {
		all[i] = fromRow(row)
	}
	return all, nil
}

func fromRow(row pricedb.ListPricesRow) Price {
	return Price{
		ID: row.PriceID, Catalog: row.Catalog, Model: row.Model, EffectiveAt: row.EffectiveAt.UTC(), AboveTokens: row.AboveTokens, Service: row.Service,
		InputPico: row.InputPico, CachedInputPico: row.CachedInputPico, CacheWritePico: row.CacheWritePico, CacheWriteHourPico: row.CacheWriteHourPico,
		OutputPico: row.OutputPico, ReasoningPico: row.ReasoningPico, AudioInputPico: row.AudioInputPico, AudioOutputPico: row.AudioOutputPico,
		ImageInputPico: row.ImageInputPico, ImageOutputPico: row.ImageOutputPico, ImagePico: row.ImagePico, CharacterPico: row.CharacterPico, AudioSecondPico: row.AudioSecondPico, SearchPico: row.SearchPico,
		RequestPico: row.RequestPico, ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
	}
}

func raw(ids []ident.Price) []uuid.UUID {
	all := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		all[i] = id.UUID
	}
	return all
}

// load makes the catalog what the table says, but for models of which the operator has imported prices, and says whether that changed it.
func load(ctx context.Context, tx pgx.Tx, table []Price) (changed bool, err error) {
	ids := make([]ident.Price, len(table))
	for i, p := range table {
		ids[i] = p.ID
	}
	gone, err := pricedb.New(tx).SupersedeLeftOut(ctx, raw(ids))
	if err != nil {
		return false, fmt.Errorf("load the price table: %w", err)
	}
	count, err := pricedb.New(tx).UpsertPrices(ctx, columnsOf(table, false))
	if err != nil {
		return false, fmt.Errorf("load the price table: %w", err)
	}
	return gone+count > 0, nil
}

// take puts the operator's prices into the catalog.
func take(ctx context.Context, tx pgx.Tx, table []Price) error {
	in := columnsOf(table, true)
	_, err := pricedb.New(tx).SupersedeSame(ctx, pricedb.SupersedeSameParams{
		Ids: in.Ids, Catalogs: in.Catalogs, Models: in.Models, Effectives: in.Effectives, Aboves: in.Aboves, Services: in.Services,
	})
	if err == nil {
		_, err = pricedb.New(tx).UpsertPrices(ctx, in)
	}
	if err != nil {
		return fmt.Errorf("import prices: %w", err)
	}
	return nil
}

// recordEverywhere puts the operator's import into the audit of every organization, whose calls it prices.
func recordEverywhere(ctx context.Context, tx pgx.Tx, found Difference) error {
	if len(found.Changes) == 0 {
		return nil
	}
	orgs, err := pricedb.New(tx).ListOrgs(ctx)
	if err != nil {
		return fmt.Errorf("list organizations: %w", err)
	}
	for _, org := range orgs {
		if err := tenant.Enter(ctx, tx, org); err != nil {
			return err
		}
		operator := authz.Actor{Org: org, Kind: authz.SystemActor, Name: "operator"}
		entry := audit.Entry{Action: "price.import", SubjectID: org.UUID, SubjectName: "price catalog", After: found.brief()}
		if err := audit.Record(ctx, tx, operator, entry, audit.NoGeneration); err != nil {
			return err
		}
	}
	return nil
}

func columnsOf(table []Price, imported bool) pricedb.UpsertPricesParams {
	in := pricedb.UpsertPricesParams{Imported: imported}
	for _, p := range table {
		in.Ids, in.Catalogs, in.Models = append(in.Ids, p.ID.UUID), append(in.Catalogs, p.Catalog), append(in.Models, p.Model)
		in.Effectives, in.Aboves, in.Services = append(in.Effectives, p.EffectiveAt), append(in.Aboves, p.AboveTokens), append(in.Services, p.Service)
		in.Inputs, in.CachedInputs = append(in.Inputs, p.InputPico), append(in.CachedInputs, p.CachedInputPico)
		in.CacheWrites, in.CacheWriteHours = append(in.CacheWrites, p.CacheWritePico), append(in.CacheWriteHours, p.CacheWriteHourPico)
		in.Outputs, in.Reasonings = append(in.Outputs, p.OutputPico), append(in.Reasonings, p.ReasoningPico)
		in.AudioInputs, in.AudioOutputs = append(in.AudioInputs, p.AudioInputPico), append(in.AudioOutputs, p.AudioOutputPico)
		in.ImageInputs, in.ImageOutputs = append(in.ImageInputs, p.ImageInputPico), append(in.ImageOutputs, p.ImageOutputPico)
		in.Images, in.Characters = append(in.Images, p.ImagePico), append(in.Characters, p.CharacterPico)
		in.AudioSeconds, in.Searches = append(in.AudioSeconds, p.AudioSecondPico), append(in.Searches, p.SearchPico)
		in.Requests, in.Contexts = append(in.Requests, p.RequestPico), append(in.Contexts, p.ContextTokens)
		in.MaxOutputs = append(in.MaxOutputs, p.MaxOutputTokens)
	}
	return in
}

func lockOwn(ctx context.Context, tx pgx.Tx, org ident.Org) error {
	if err := pricedb.New(tx).LockOwnPrices(ctx, org); err != nil {
		return fmt.Errorf("lock own prices of %s: %w", org, err)
	}
	return nil
}

func insertOwn(ctx context.Context, tx pgx.Tx, org ident.Org, o Own) error {
	err := pricedb.New(tx).InsertOwnPrice(ctx, pricedb.InsertOwnPriceParams{
		OrgID: org, PriceID: o.ID, Kind: string(o.Kind), Catalog: o.Catalog, Model: o.Model, EffectiveAt: o.EffectiveAt, EndedAt: o.EndedAt,
		AboveTokens: o.AboveTokens, Service: o.Service, InputPico: o.InputPico, CachedInputPico: o.CachedInputPico, CacheWritePico: o.CacheWritePico,
		CacheWriteHourPico: o.CacheWriteHourPico, OutputPico: o.OutputPico, ReasoningPico: o.ReasoningPico, AudioInputPico: o.AudioInputPico,
		AudioOutputPico: o.AudioOutputPico, ImageInputPico: o.ImageInputPico, ImageOutputPico: o.ImageOutputPico, RequestPico: o.RequestPico,
		ImagePico: o.ImagePico, CharacterPico: o.CharacterPico, AudioSecondPico: o.AudioSecondPico, SearchPico: o.SearchPico,
		ContextTokens: o.ContextTokens, MaxOutputTokens: o.MaxOutputTokens, DiscountPerMille: o.DiscountPerMille, Note: o.Note, CreatedBy: o.CreatedBy,
	})
	if tenant.Violates(err, "org_price_model_key") {
		return fault.Taken("effective_at", "there is such a price from that moment on already; end it first or choose another time")
	}
	if err != nil {
		return fmt.Errorf("insert own price: %w", err)
	}
	return nil
}

func endOwn(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Price, at time.Time) error {
	count, err := pricedb.New(tx).EndOwnPrice(ctx, pricedb.EndOwnPriceParams{OrgID: org, PriceID: id, EndedAt: &at})
	if err == nil && count == 0 {
		err = errors.New("it is not there")
	}
	if err != nil {
		return fmt.Errorf("end own price %s: %w", id, err)
	}
	return nil
}

func unpriced(ctx context.Context, tx pgx.Tx, org ident.Org, at time.Time) ([]Unpriced, error) {
	rows, err := pricedb.New(tx).ListUnpriced(ctx, pricedb.ListUnpricedParams{OrgID: org, At: at})
	if err != nil {
		return nil, fmt.Errorf("list models without a price of %s: %w", org, err)
	}
	all := make([]Unpriced, len(rows))
	for i, row := range rows {
		all[i] = Unpriced(row)
	}
	return all, nil
}
