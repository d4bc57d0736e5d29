package subscription

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tollgate.dev/dataplane/wire"
)

const identityName = "edge_id"

// EdgeID returns the id that the data directory gives to its edge, making directory and id at the first start. Whoever copies the
// directory copies the id, and the control plane refuses the second one.
func EdgeID(dataDir string, now time.Time) (wire.ID, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return wire.ID{}, fmt.Errorf("make the data directory: %w", err)
	}
	path := filepath.Join(dataDir, identityName)
	raw, err := os.ReadFile(path)
	if err == nil && len(raw) == len(wire.ID{}) {
		return wire.ID(raw), nil
	}
	if err == nil {
		return wire.ID{}, fmt.Errorf("%s is damaged: restore it, or remove the whole data directory to start as a new edge", path)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return wire.ID{}, fmt.Errorf("read the edge's id: %w", err)
	}
	id := wire.NewID(now)
	if err := replaceFile(path, id[:]); err != nil {
		return wire.ID{}, fmt.Errorf("write the edge's id: %w", err)
	}
	return id, nil
}
