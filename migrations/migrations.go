// Package migrations embeds the schema's history, one idea per file, for the control plane to apply.
// It refuses to know how or where the files are run.
package migrations

import "embed"

// Files holds the goose migrations (NNNNN_<idea>.sql).
//
//go:embed *.sql
var Files embed.FS
