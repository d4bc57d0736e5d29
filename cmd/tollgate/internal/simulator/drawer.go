package simulator

import (
	"slices"
	"sync"
)

// drawer holds files in the order in which they came. An account is a provider's key.
type drawer struct {
	mu    sync.Mutex
	files []*drawn
}

// drawn is a file, or one that is on its way.
type drawn struct {
	account, id, name, kind string
	content                 []byte
	whole                   bool
	created                 string // RFC 3339
}

func (d *drawer) put(file *drawn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = append(d.files, file)
}

// get returns a file that is there; nil: none is.
func (d *drawer) get(account, id string, whole bool) *drawn {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.files, func(one *drawn) bool { return one.account == account && one.id == id && one.whole == whole })
	if i < 0 {
		return nil
	}
	return d.files[i]
}

func (d *drawer) remove(file *drawn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = slices.DeleteFunc(d.files, func(one *drawn) bool { return one == file })
}

// page returns so many of an account's files from a place on, the latest first, and whether there are more.
func (d *drawer) page(account string, from, limit int) (found []*drawn, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, one := range slices.Backward(d.files) {
		if one.account != account || !one.whole {
			continue
		}
		if n++; n <= from {
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, one)
	}
	return found, false
}
